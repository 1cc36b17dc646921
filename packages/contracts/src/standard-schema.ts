/**
 * Schemas as authors write them: TypeBox, plain JSON Schema, or any library that speaks Standard JSON Schema
 * (Zod 4, ArkType, Valibot through its JSON Schema package). The contract keeps JSON Schema only, and the types
 * are those of the *input* side: what travels is what was written, no library transforms it on the way.
 */
import type { StandardJSONSchemaV1 } from "@standard-schema/spec";
import type { Static, TSchema } from "typebox";
import type { Json, JsonSchema } from "./manifest.ts";
import type { Problem } from "./parse.ts";

/** Anything `schemas` and `fields` accept. */
export type SchemaSource = StandardJSONSchemaV1 | (object & { readonly "~standard"?: never });

/** The static type of the JSON a schema describes. */
export type InferSchema<S> = S extends { readonly "~standard": { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly input: infer Input }
    ? Input
    : unknown
  : S extends TSchema
    ? Static<S>
    : unknown;

/** A schema extracted from its library, or what stands in the way. */
export type ExtractedSchema =
  | { readonly schema: JsonSchema; readonly problems: readonly [] }
  | { readonly schema: undefined; readonly problems: readonly Problem[] };

/** Asked in this order: 2019-09 is what the manifest speaks, draft 7 is read the same way by it. */
const TARGETS = ["draft-2019-09", "draft-07"] as const;

/** Where libraries keep the schemas their references point at. */
const DEFINITIONS = ["$defs", "definitions"] as const;

/** Members that name or locate a schema and mean nothing inside a manifest. */
const DROPPED = new Set<string>(["$schema", "$id", "$comment", ...DEFINITIONS]);

/** Turns an authored schema into a self-contained JSON Schema; `path` says where it stands in messages. */
export function extractSchema(source: unknown, path: string): ExtractedSchema {
  const converted = convert(source, path);
  if (converted.problem !== undefined) return { schema: undefined, problems: [converted.problem] };
  const problems: Problem[] = [];
  const schema = inline(converted.json, { root: converted.json, open: [], path, problems, depth: 0 });
  if (problems.length > 0) return { schema: undefined, problems };
  if (isJsonSchema(schema)) return { schema, problems: [] };
  return { schema: undefined, problems: [notASchema(path)] };
}

/** Whether a value may be absent: what a library's own validation says about `undefined`. */
export function acceptsAbsence(source: unknown): boolean {
  if (source === null || (typeof source !== "object" && typeof source !== "function")) return false;
  if ("~optional" in source) return true;
  const validate = member(member(source, "~standard"), "validate");
  if (typeof validate !== "function") return false;
  try {
    const answer: unknown = validate(undefined);
    return (
      typeof answer === "object" &&
      answer !== null &&
      !(answer instanceof Promise) &&
      member(answer, "issues") === undefined
    );
  } catch {
    return false;
  }
}

type Converted = { readonly json: unknown; readonly problem?: undefined } | { readonly problem: Problem };

function convert(source: unknown, path: string): Converted {
  if (typeof source === "boolean") return { json: source };
  if (source === null || (typeof source !== "object" && typeof source !== "function"))
    return { problem: notASchema(path) };
  const standard = member(source, "~standard");
  if (standard === undefined) return typeof source === "object" ? { json: source } : { problem: notASchema(path) };
  return convertStandard(standard, path);
}

function convertStandard(standard: unknown, path: string): Converted {
  const vendor = String(member(standard, "vendor") ?? "this library");
  const toInput = member(member(standard, "jsonSchema"), "input");
  if (typeof toInput !== "function") {
    return {
      problem: {
        path,
        message: `the schema of ${vendor} does not say how it looks as JSON Schema`,
        fix:
          vendor === "valibot"
            ? "wrap it: toStandardJsonSchema(schema) from @valibot/to-json-schema"
            : "use a version of the library that implements Standard JSON Schema, or TypeBox",
      },
    };
  }
  let refusal: unknown;
  for (const target of TARGETS) {
    try {
      const json: unknown = toInput({ target });
      return { json };
    } catch (error) {
      refusal = error;
    }
  }
  const reason = refusal instanceof Error ? refusal.message : String(refusal);
  return {
    problem: {
      path,
      message: `${vendor} cannot write this schema as JSON Schema: ${reason}`,
      fix: "use types that JSON has: no dates, big integers, functions or transforms",
    },
  };
}

interface Inlining {
  readonly root: unknown;
  /** References being expanded: meeting one again is a cycle. */
  readonly open: readonly string[];
  readonly path: string;
  readonly problems: Problem[];
  readonly depth: number;
}

/** Deeper than any schema a manifest may hold; keeps a self-containing object from running away. */
const DEPTH_LIMIT = 128;

/** Members whose values are data and must not be read as schemas. */
const DATA = new Set<string>(["const", "enum", "default", "examples"]);

/** Members whose values are maps of schemas: their keys are names, not keywords. */
const MAPS = new Set<string>(["properties", "patternProperties", "dependentSchemas", "dependencies"]);

function inline(node: unknown, state: Inlining): Json {
  if (state.depth > DEPTH_LIMIT)
    return refuse(
      state,
      `the schema is nested deeper than ${DEPTH_LIMIT} levels`,
      "make it flatter, or end it with an open schema",
    );
  const deeper = { ...state, depth: state.depth + 1 };
  if (Array.isArray(node)) return node.map((item) => inline(item, deeper));
  if (typeof node !== "object" || node === null) return plain(node, state);
  const reference = ownMember(node, "$ref") ?? ownMember(node, "$dynamicRef") ?? ownMember(node, "$recursiveRef");
  if (typeof reference === "string") return inlineReference(node, reference, deeper);
  return inlineMembers(node, deeper);
}

function inlineMembers(node: object, state: Inlining): { readonly [keyword: string]: Json } {
  const members: { [keyword: string]: Json } = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (value === undefined || keyword.startsWith("~") || DROPPED.has(keyword)) continue;
    if (DATA.has(keyword)) define(members, keyword, plain(value, state));
    else if (MAPS.has(keyword) && isObject(value)) define(members, keyword, inlineMap(value, state));
    else define(members, keyword, inline(value, state));
  }
  return members;
}

function inlineMap(map: object, state: Inlining): { readonly [name: string]: Json } {
  const members: { [name: string]: Json } = {};
  for (const [name, schema] of Object.entries(map)) {
    if (schema !== undefined) define(members, name, inline(schema, { ...state, depth: state.depth + 1 }));
  }
  return members;
}

function inlineReference(node: object, reference: string, state: Inlining): Json {
  if (state.open.includes(reference) || reference === "#") {
    return refuse(
      state,
      `the schema refers to itself (${reference}); a manifest holds self-contained schemas without references`,
      "end the recursion with an open schema, such as Type.Unknown()",
    );
  }
  const target = findReference(state.root, reference);
  if (target === undefined)
    return refuse(
      state,
      `the reference ${reference} leads nowhere inside the schema`,
      "put the schema in place of the reference",
    );
  const found = inline(target, { ...state, open: [...state.open, reference] });
  const beside = inlineMembers(
    Object.fromEntries(Object.entries(node).filter(([keyword]) => !keyword.startsWith("$"))),
    state,
  );
  if (Object.keys(beside).length === 0) return found;
  if (isObject(found) && !Object.keys(found).some((keyword) => keyword in beside)) return { ...found, ...beside };
  return { ...beside, allOf: [found] };
}

/** Finds `#/$defs/Name`, `#/definitions/Name`, and the bare `Name` that TypeBox writes. */
function findReference(root: unknown, reference: string): unknown {
  if (!reference.startsWith("#"))
    return DEFINITIONS.map((list) => ownMember(ownMember(root, list), reference)).find((found) => found !== undefined);
  let at = root;
  for (const token of reference.split("/").slice(1)) {
    at = ownMember(at, decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~"));
  }
  return at;
}

/** Copies a JSON value, turning what only JavaScript has into what `JSON.stringify` would write. */
function plain(value: unknown, state: Inlining): Json {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (value instanceof RegExp) return value.source;
  if (Array.isArray(value)) return value.map((item) => plain(item, state));
  if (typeof value === "object") {
    const members: { [key: string]: Json } = {};
    for (const [key, item] of Object.entries(value)) if (item !== undefined) define(members, key, plain(item, state));
    return members;
  }
  return refuse(state, `the schema holds a ${typeof value}, which JSON cannot say`, "use values that JSON has");
}

function refuse(state: Inlining, message: string, fix: string): null {
  if (!state.problems.some((problem) => problem.message === message))
    state.problems.push({ path: state.path, message, fix });
  return null;
}

function notASchema(path: string): Problem {
  return {
    path,
    message: "this is not a schema",
    fix: "use a TypeBox schema, a Standard JSON Schema (Zod 4, ArkType, Valibot with @valibot/to-json-schema) or plain JSON Schema",
  };
}

function isJsonSchema(value: Json): value is JsonSchema {
  return typeof value === "boolean" || isObject(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads a member of a library's object, inherited ones too: ArkType keeps `~standard` on a prototype. */
function member(value: unknown, name: string): unknown {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  return Reflect.get(value, name);
}

/** Reads a member of a JSON value: what `Object.prototype` has is not one. */
function ownMember(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

/** Sets a member even when it is called `__proto__`. */
function define(target: { [key: string]: Json }, name: string, value: Json): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
