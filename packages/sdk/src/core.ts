import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { NotFound, Refused } from "./auth.ts";
import { eventSchemas } from "./event-schemas.ts";
import { operationSchemas } from "./operation-schemas.ts";

const SurfaceKind = Type.Union([
  Type.Literal("rpc"),
  Type.Literal("operation"),
  Type.Literal("event"),
  Type.Literal("feed"),
]);

const CatalogInput = Type.Object({
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
  /** Without one: as many as fit into one answer, which is all of them unless there are hundreds. */
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});
const CatalogContract = Type.Object({
  id: Type.String(),
  digest: Type.String(),
  displayName: Type.String(),
  description: Type.String(),
  kind: Type.String(),
  active: Type.Boolean(),
  deployments: Type.Array(Type.String()),
  liveReplicas: Type.Integer({ minimum: 0 }),
});
const Catalog = Type.Object({
  contracts: Type.Array(CatalogContract),
  revision: Type.Integer(),
  nextCursor: Type.Optional(Type.String()),
});

const ContractGetInput = Type.Object({
  /** By id: the newest active one. By digest: exactly that one. */
  id: Type.Optional(Type.String({ maxLength: 256 })),
  digest: Type.Optional(Type.String({ maxLength: 64 })),
});
const ContractGetOutput = Type.Object({ digest: Type.String(), manifest: Type.Unknown() });

const SurfaceStatusInput = Type.Object({
  contractId: Type.String({ maxLength: 256 }),
  kind: SurfaceKind,
  surface: Type.String({ maxLength: 256 }),
  action: Type.Optional(Type.String({ maxLength: 64 })),
});
const SurfaceStatus = Type.Object({
  status: Type.Union([
    Type.Literal("unknown_contract"),
    Type.Literal("unknown_surface"),
    Type.Literal("unauthorized"),
    Type.Literal("unavailable"),
    Type.Literal("available"),
  ]),
  message: Type.String(),
});

export const ContractNotFound = defineError({
  type: "ContractNotFound",
  fields: { contract: Type.String() },
  message: ({ contract }) => `No contract ${contract} is known here. \`trellis status\` lists what is.`,
});

/** `trellis.core@v1`: what there is to call, and whether it can be called now. */
export const core = defineServiceContract(
  {
    schemas: {
      CatalogInput,
      Catalog,
      ContractGetInput,
      ContractGetOutput,
      SurfaceStatusInput,
      SurfaceStatus,
      ...eventSchemas,
      ...operationSchemas,
    },
    errors: { ContractNotFound, NotFound, Refused },
  },
  (ref) => ({
    id: "trellis.core@v1",
    displayName: "Trellis core",
    description: "The catalogue of contracts and the state of their surfaces.",
    rpc: {
      "Trellis.Catalog": {
        version: "v1",
        input: ref.schema("CatalogInput"),
        output: ref.schema("Catalog"),
        docs: { summary: "Every known contract and who implements it now, in pages." },
      },
      "Trellis.Contract.Get": {
        version: "v1",
        input: ref.schema("ContractGetInput"),
        output: ref.schema("ContractGetOutput"),
        errors: [ref.error("ContractNotFound")],
        docs: { summary: "One manifest, by digest or by id." },
      },
      "Trellis.Surface.Status": {
        version: "v1",
        input: ref.schema("SurfaceStatusInput"),
        output: ref.schema("SurfaceStatus"),
        docs: { summary: "Whether the caller could use a surface now. Advisory." },
      },
      "Trellis.Events.Groups.List": {
        version: "v1",
        input: ref.schema("EventGroupsListInput"),
        output: ref.schema("EventGroupsList"),
        capabilities: { call: ["admin"] },
        docs: { summary: "Every consumer group and how far behind it is." },
      },
      "Trellis.Events.Groups.Pause": {
        version: "v1",
        input: ref.schema("EventGroupPause"),
        output: ref.schema("EventGroup"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Stops deliveries to a group; what it has in hand it finishes." },
      },
      "Trellis.Events.Groups.Resume": {
        version: "v1",
        input: ref.schema("EventGroupRef"),
        output: ref.schema("EventGroup"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Delivers again." },
      },
      "Trellis.Events.DeadLetters.List": {
        version: "v1",
        input: ref.schema("DeadLettersListInput"),
        output: ref.schema("DeadLetters"),
        capabilities: { call: ["admin"] },
        docs: { summary: "Events that groups gave up, oldest first." },
      },
      "Trellis.Events.DeadLetters.Get": {
        version: "v1",
        input: ref.schema("DeadLetterRef"),
        output: ref.schema("DeadLetter"),
        errors: [ref.error("NotFound")],
        capabilities: { call: ["admin"] },
        docs: { summary: "One of them with its payload." },
      },
      "Trellis.Events.DeadLetters.Replay": {
        version: "v1",
        input: ref.schema("DeadLettersSelection"),
        output: ref.schema("DeadLettersDone"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Delivers them again, to their group and nobody else." },
      },
      "Trellis.Events.DeadLetters.Drop": {
        version: "v1",
        input: ref.schema("DeadLettersSelection"),
        output: ref.schema("DeadLettersDone"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Deletes them for good." },
      },
      "Trellis.Operations.List": {
        version: "v1",
        input: ref.schema("OperationsListInput"),
        output: ref.schema("OperationsList"),
        errors: [ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Operations of every service: what runs, rests, waits, has failed." },
      },
      "Trellis.Operations.Get": {
        version: "v1",
        input: ref.schema("OperationRef"),
        output: ref.schema("OperationDetails"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "One operation with its history." },
      },
      "Trellis.Operations.Cancel": {
        version: "v1",
        input: ref.schema("OperationAction"),
        output: ref.schema("OperationEntry"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Cancels one that nobody runs, and tells the handler of one that runs." },
      },
      "Trellis.Operations.Retry": {
        version: "v1",
        input: ref.schema("OperationRef"),
        output: ref.schema("OperationEntry"),
        errors: [ref.error("NotFound"), ref.error("Refused")],
        capabilities: { call: ["admin"] },
        docs: { summary: "Lets one that failed or was cancelled begin again, with the input it had." },
      },
    },
  }),
);
