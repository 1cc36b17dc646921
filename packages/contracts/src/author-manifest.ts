/** From a definition to a manifest: names resolved and checked, subjects derived, every problem reported at once. */
import { authorUses } from "./author-uses.ts";
import { authorSurfaces } from "./author-surfaces.ts";
import { Authoring, show } from "./authoring.ts";
import type { AuthoredUses, Declared, Draft } from "./authoring.ts";
import type { ContractParts } from "./contract.ts";
import { jsonEqual } from "./json-equal.ts";
import { MANIFEST_FORMAT } from "./manifest.ts";
import type { ContractKind, Json, JsonSchema } from "./manifest.ts";
import {
  CAPABILITY_SEPARATOR,
  capabilityKey,
  contractName,
  isName,
  NAME_RULES,
  RESERVED_CAPABILITIES,
} from "./names.ts";
import { parseManifest } from "./parse.ts";
import { isRecord, pointer } from "./schema-problems.ts";
import type { Problem } from "./schema-problems.ts";
import { extractSchema } from "./standard-schema.ts";

/** Kinds an author may write; a command line is an agent. */
export type AuthoredKind = ContractKind | "cli";

/** What an author handed in. */
export interface AuthoredContract {
  /** Undefined when the definition itself says its kind. */
  readonly kind: ContractKind | undefined;
  readonly definition: unknown;
  readonly schemas: object;
  readonly errors: object;
}

/** The parts of the contract, or everything that keeps it from being one. */
export type AuthoredManifest =
  | { readonly parts: ContractParts; readonly problems: readonly [] }
  | { readonly parts: undefined; readonly problems: readonly Problem[] };

const KINDS: { readonly [kind: string]: ContractKind } = {
  service: "service",
  app: "app",
  agent: "agent",
  device: "device",
  cli: "agent",
};

const MEMBERS = [
  "id",
  "displayName",
  "description",
  "docs",
  "capabilities",
  "exports",
  "uses",
  "rpc",
  "operations",
  "events",
  "feeds",
  "jobs",
  "eventConsumers",
  "state",
  "resources",
];

/** Makes the manifest of a contract as authored. */
export function authorManifest(input: AuthoredContract): AuthoredManifest {
  const authoring = new Authoring();
  const known = input.kind === undefined ? ["kind", ...MEMBERS] : MEMBERS;
  const definition = authoring.members(input.definition, "", known, "a contract");
  const id = typeof definition.id === "string" ? definition.id : "";
  const kind = input.kind ?? authorKind(authoring, definition.kind);
  if (!isName("contractId", id))
    authoring.problem("/id", `${show(definition.id)} is not a contract id`, NAME_RULES.contractId.rule);

  const schemas = authorSchemas(authoring, input.schemas);
  const errors = authorErrors(authoring, input.errors, schemas);
  const capabilities = authorCapabilities(authoring, definition.capabilities, id);
  const uses = authorUses(authoring, definition.uses, {
    id,
    kind,
    state: isRecord(definition.state) && Object.keys(definition.state).length > 0,
  });
  const declared: Declared = {
    id,
    kind,
    schemas,
    schemaNames: Object.keys(input.schemas),
    errorTypes: Object.keys(errors.manifest),
    capabilities: [...capabilities.accepted, ...capabilitiesOfUses(uses)],
    uses,
  };
  const draft: Draft = {
    format: MANIFEST_FORMAT,
    id,
    displayName: definition.displayName,
    description: definition.description,
    kind,
    docs: definition.docs,
    capabilities: capabilities.manifest,
    schemas,
    errors: errors.manifest,
    exports: authorExports(authoring, definition.exports, declared),
    uses: withoutEmpty({ required: withoutEmpty(uses.required), optional: withoutEmpty(uses.optional) }),
    ...authorSurfaces(authoring, definition, declared),
  };
  return checked(authoring, withoutEmptyMembers(draft), { contracts: uses.contracts, errors: errors.classes });
}

/** The rules every manifest must follow, authored or not; what was reported already is not repeated. */
function checked(authoring: Authoring, draft: Draft, parts: Omit<ContractParts, "manifest">): AuthoredManifest {
  const parsed = parseManifest(toJson(draft));
  if (!parsed.ok) {
    const reported = authoring.problems.map(({ path }) => path);
    authoring.problems.push(
      ...parsed.error.problems.filter(({ path }) => !reported.some((at) => at === path || path.startsWith(`${at}/`))),
    );
  }
  if (authoring.problems.length > 0 || !parsed.ok) return { parts: undefined, problems: authoring.problems };
  return { parts: { ...parts, manifest: parsed.value.manifest }, problems: [] };
}

function authorKind(authoring: Authoring, given: unknown): ContractKind {
  const kind = typeof given === "string" && Object.hasOwn(KINDS, given) ? KINDS[given] : undefined;
  if (kind === undefined)
    authoring.problem(
      "/kind",
      `${show(given)} is not a kind of contract`,
      "use service, app, agent (or cli) or device",
    );
  return kind ?? "service";
}

function authorSchemas(authoring: Authoring, sources: object): { [name: string]: JsonSchema } {
  const schemas: { [name: string]: JsonSchema } = {};
  for (const [name, source] of Object.entries(sources)) {
    const extracted = extractSchema(source, pointer("/schemas", name));
    if (extracted.schema === undefined) authoring.problems.push(...extracted.problems);
    else schemas[name] = extracted.schema;
  }
  return schemas;
}

interface AuthoredErrors {
  readonly manifest: { [type: string]: Draft };
  readonly classes: { [type: string]: ContractParts["errors"][string] };
}

/** The fields of an error become a schema of their own, named after it. */
function authorErrors(authoring: Authoring, errors: object, schemas: { [name: string]: JsonSchema }): AuthoredErrors {
  const authored: AuthoredErrors = { manifest: {}, classes: {} };
  for (const [name, error] of Object.entries(errors)) {
    const path = pointer("/errors", name);
    if (!isErrorClass(error)) {
      authoring.problem(
        path,
        `${show(error)} is not an error class`,
        `make it with defineError({ type: "${name}", … })`,
      );
      continue;
    }
    if (error.type !== name)
      authoring.problem(
        path,
        `the error ${error.type} stands under the name ${name}`,
        `write errors: { ${error.type}: … }`,
      );
    authored.classes[name] = error;
    authored.manifest[name] = { type: error.type };
    if (error.schema === undefined) continue;
    const schema = `${error.type}Fields`;
    if (Object.hasOwn(schemas, schema) && !jsonEqual(schemas[schema], error.schema)) {
      authoring.problem(
        pointer("/schemas", schema),
        `the name ${schema} is the one the fields of the error ${error.type} get`,
        "rename this schema",
      );
    }
    schemas[schema] = error.schema;
    authored.manifest[name].schema = { schema };
  }
  return authored;
}

function isErrorClass(
  value: unknown,
): value is ContractParts["errors"][string] & { readonly schema: JsonSchema | undefined } {
  return (
    typeof value === "function" &&
    "type" in value &&
    typeof value.type === "string" &&
    "fromWire" in value &&
    typeof value.fromWire === "function"
  );
}

function authorCapabilities(
  authoring: Authoring,
  value: unknown,
  id: string,
): { readonly manifest: Draft; readonly accepted: readonly string[] } {
  const manifest: Draft = {};
  const accepted: string[] = [...RESERVED_CAPABILITIES];
  for (const [local, meta] of authoring.entries(value, "/capabilities")) {
    const path = pointer("/capabilities", local);
    const key = capabilityKey(id, local);
    if (RESERVED_CAPABILITIES.includes(local))
      authoring.problem(
        path,
        `"${local}" is reserved: every contract may require it, none declares it`,
        "give the capability another name",
      );
    else if (!key.startsWith(`${contractName(id)}${CAPABILITY_SEPARATOR}`))
      authoring.problem(
        path,
        `"${local}" belongs to another contract`,
        "declare only this contract's own capabilities, by their local name",
      );
    else accepted.push(local, ...(local === key ? [] : [key]));
    manifest[key] = meta;
  }
  return { manifest, accepted };
}

function capabilitiesOfUses(uses: AuthoredUses): readonly string[] {
  return Object.values(uses.contracts).flatMap((contract) => Object.keys(contract.manifest.capabilities ?? {}));
}

function authorExports(authoring: Authoring, value: unknown, declared: Declared): Draft {
  const members = authoring.members(value, "/exports", ["schemas"], "exports");
  return {
    schemas: authoring.names(
      members.schemas,
      "/exports/schemas",
      { names: declared.schemaNames, otherwise: "declare it in schemas" },
      "there is no schema",
    ),
  };
}

function withoutEmpty(value: object): object | undefined {
  return Object.values(value).some((member) => member !== undefined) ? value : undefined;
}

/** Optional members are absent, never empty. */
function withoutEmptyMembers(draft: Draft): Draft {
  return Object.fromEntries(
    Object.entries(draft).filter(
      ([, value]) =>
        !(
          isRecord(value) &&
          Object.values(value).every((member) => member === undefined || (Array.isArray(member) && member.length === 0))
        ),
    ),
  );
}

/** Drops what JSON drops; parsing refuses everything else that is not JSON. */
function toJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (isRecord(value))
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .map(([name, member]) => [name, toJson(member)]),
    );
  // Only scalars are left; what is none of JSON's is for parsing to refuse.
  return value as Json;
}
