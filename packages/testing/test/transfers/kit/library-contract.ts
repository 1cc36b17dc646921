import { defineAgentContract, defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Wanted = Type.Object({
  name: Type.String(),
  range: Type.Optional(Type.Object({ start: Type.Integer(), end: Type.Integer() })),
});
const Made = Type.Object({
  bytes: Type.Integer(),
  /** Whether the source can be read again, and from any byte on. */
  restarts: Type.Optional(Type.Boolean()),
  /** What goes wrong with it, and after how many bytes. */
  fails: Type.Optional(Type.Integer()),
  /** Between two pieces of 64 KiB. */
  pauseMs: Type.Optional(Type.Integer()),
  label: Type.Optional(Type.String()),
});
const Card = Type.Object({ title: Type.String(), pid: Type.Integer() });
const Parcel = Type.Object({
  name: Type.String(),
  kind: Type.Optional(Type.String()),
  words: Type.Optional(Type.Record(Type.String(), Type.String())),
});
const Shelved = Type.Object({
  name: Type.String(),
  size: Type.Integer(),
  digest: Type.String(),
  kind: Type.Optional(Type.String()),
  words: Type.Record(Type.String(), Type.String()),
  pid: Type.Integer(),
});

/** What was asked for is not on the shelves. */
export const NoSuchFile = defineError({
  type: "NoSuchFile",
  fields: { name: Type.String() },
  message: ({ name }) => `There is no ${name}`,
});

/** Lends files and takes them. */
export const library = defineServiceContract(
  { schemas: { Wanted, Made, Card, Parcel, Shelved }, errors: { NoSuchFile } },
  (ref) => ({
    id: "library@v1",
    displayName: "Library",
    description: "Lends files and takes them.",
    capabilities: { read: { displayName: "Read", description: "Read the files of the library." } },
    rpc: {
      "Files.Read": {
        version: "v1",
        input: ref.schema("Wanted"),
        output: ref.schema("Card"),
        errors: [ref.error("NoSuchFile")],
        capabilities: { call: ["read"] },
        transfer: { direction: "receive" },
      },
      "Files.Make": {
        version: "v1",
        input: ref.schema("Made"),
        output: ref.schema("Card"),
        transfer: { direction: "receive" },
      },
    },
    operations: {
      "Files.Put": {
        version: "v1",
        input: ref.schema("Parcel"),
        output: ref.schema("Shelved"),
        capabilities: { call: ["read"], cancel: [] },
        transfer: { direction: "send", store: "files", key: "/name", contentType: "/kind", metadata: "/words" },
      },
      "Files.Squeeze": {
        version: "v1",
        input: ref.schema("Parcel"),
        output: ref.schema("Shelved"),
        transfer: { direction: "send", store: "box", key: "/name", expiresInMs: 2_000, maxBytes: 600_000 },
      },
    },
    resources: {
      store: { files: { purpose: "The files" }, box: { purpose: "A small box", maxTotalBytes: 1_048_576 } },
    },
  }),
);

/** Reads what the library lends. */
export const reader = defineAgentContract({
  id: "library-reader@v1",
  displayName: "Reader",
  description: "Reads the files of the library.",
  uses: {
    required: {
      library: library.use({
        rpc: { call: ["Files.Read", "Files.Make"] },
        operations: { call: ["Files.Put", "Files.Squeeze"] },
      }),
    },
  },
});
