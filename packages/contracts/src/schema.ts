import Schema from "typebox/schema";
import { compilePattern } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";
import { VALIDATION_KEYWORDS } from "./schema-keywords.ts";
import { isRecord, schemaProblems } from "./schema-problems.ts";
import type { Problem } from "./schema-problems.ts";
import { schemaRule } from "./schema-rules.ts";
import type { SchemaIssue } from "./schema-rules.ts";
import type { JsonSchema } from "./manifest.ts";

/** A schema ready to be asked many times. */
export interface CompiledSchema {
  /** Whether the value fits. This is the fast way; ask for errors only afterwards. */
  check(value: unknown): boolean;
  /** Why a value does not fit; empty when it does. */
  errors(value: unknown): readonly SchemaIssue[];
}

/** Thrown by `compileSchema` for a schema that is malformed, not self-contained or too large. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  readonly code = "schema_invalid";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const [first] = problems;
    const where = first === undefined || first.path === "" ? "" : ` at ${first.path}`;
    super(`the schema cannot be used: ${first?.message ?? "unknown problem"}${where}`);
    this.problems = problems;
  }
}

const compiled = new WeakMap<object, CompiledSchema>();
const ANYTHING: CompiledSchema = { check: () => true, errors: () => [] };
const NOTHING: CompiledSchema = {
  check: () => false,
  errors: () => [{ path: "", message: "no value is allowed here" }],
};

/**
 * Makes a JSON Schema 2019-09 document checkable. Code is generated where the runtime permits it; elsewhere (a
 * browser's content security policy) functions do the same, only slower. The same schema object is compiled once.
 */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  if (typeof schema === "boolean") return schema ? ANYTHING : NOTHING;
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const fresh = build(schema);
  compiled.set(schema, fresh);
  return fresh;
}

function build(schema: JsonSchema): CompiledSchema {
  const problems = schemaProblems(schema);
  if (problems.length > 0) throw new SchemaError(problems);
  const rule = schemaRule(schema);
  const check = generated(schema) ?? ((value) => rule(value, "", undefined, undefined));
  return {
    check: (value) => guarded(() => check(value)),
    errors(value) {
      const issues: SchemaIssue[] = [];
      if (guarded(() => rule(value, "", issues, undefined))) return [];
      return issues.length > 0 ? issues : [{ path: "", message: "is nested too deep to be checked" }];
    },
  };
}

/** A value nested too deep for the stack does not fit, whatever its schema says. */
function guarded(run: () => boolean): boolean {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof RangeError) return false;
    throw cause;
  }
}

/** The check as generated code; `undefined` where that is forbidden or where typebox is not exact. */
function generated(schema: JsonSchema): ((value: unknown) => boolean) | undefined {
  const prepared = prepare(schema);
  if (prepared === undefined || typeof prepared === "boolean") return undefined;
  const validator = Schema.Compile(prepared);
  return validator.IsAccelerated() ? (value) => validator.Check(value) : undefined;
}

/**
 * typebox shares what the `unevaluated…` keywords have seen between neighbours, matches the names of
 * `patternProperties` with an engine that can be made to hang, and compares unique items by a hash that can collide.
 */
const NOT_GENERATED: ReadonlySet<string> = new Set([
  "unevaluatedItems",
  "unevaluatedProperties",
  "patternProperties",
  "uniqueItems",
]);

/**
 * A copy that holds the validation keywords of 2019-09 and nothing else: typebox knows keywords of other drafts and
 * of its own, and code is generated from what it is given. Patterns become matchers that cannot be made to hang.
 */
function prepare(schema: unknown): boolean | Record<string, unknown> | undefined {
  if (!isRecord(schema)) return schema !== false;
  const copy: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (NOT_GENERATED.has(keyword)) return undefined;
    if (!VALIDATION_KEYWORDS.has(keyword)) continue;
    const prepared = prepareKeyword(keyword, value);
    if (prepared === undefined) return undefined;
    copy[keyword] = prepared;
  }
  // Alone, these mean nothing in 2019-09 but something to typebox.
  if (!("contains" in copy)) {
    delete copy.minContains;
    delete copy.maxContains;
  }
  if (!Array.isArray(copy.items)) delete copy.additionalItems;
  return copy;
}

function prepareKeyword(keyword: string, value: unknown): unknown {
  switch (VALIDATION_KEYWORDS.get(keyword)) {
    case "schema":
      return prepare(value);
    case "schemaList":
    case "schemaOrList":
      return Array.isArray(value) ? prepareList(value) : prepare(value);
    case "schemaMap":
    case "dependencies":
      return prepareMembers(value);
    case "pattern":
      return typeof value === "string" ? new LinearRegExp(value) : undefined;
    default:
      return value;
  }
}

function prepareList(list: readonly unknown[]): readonly unknown[] | undefined {
  const prepared = list.map(prepare);
  return prepared.includes(undefined) ? undefined : prepared;
}

function prepareMembers(value: unknown): Record<string, unknown> | undefined {
  const members: Record<string, unknown> = {};
  for (const [key, member] of isRecord(value) ? Object.entries(value) : []) {
    const prepared = Array.isArray(member) ? member : prepare(member);
    if (prepared === undefined) return undefined;
    members[key] = prepared;
  }
  return members;
}

/** Looks like a `RegExp` to typebox, but matches in linear time. */
class LinearRegExp extends RegExp {
  readonly #pattern: Pattern;

  constructor(source: string) {
    super(source, "u");
    this.#pattern = compilePattern(source);
  }

  override test(text: string): boolean {
    return this.#pattern.test(text);
  }
}

/**
 * Where a JSON pointer leads inside a schema; `undefined` when no value that fits would have anything there. Follows
 * `properties` and all of `allOf`; under `anyOf` and `oneOf` every alternative must know the way.
 */
export function schemaAt(schema: JsonSchema, path: string): JsonSchema | undefined {
  if (path === "") return schema;
  const [, first = "", ...rest] = path.split("/");
  const inside = memberSchema(schema, first.replaceAll("~1", "/").replaceAll("~0", "~"));
  return inside === undefined ? undefined : schemaAt(inside, rest.length === 0 ? "" : `/${rest.join("/")}`);
}

function memberSchema(schema: unknown, name: string): JsonSchema | undefined {
  if (!isRecord(schema)) return undefined;
  const { properties, allOf, anyOf, oneOf } = schema;
  if (isRecord(properties) && Object.hasOwn(properties, name)) {
    const member = properties[name];
    return typeof member === "boolean" || isSchemaObject(member) ? member : undefined;
  }
  if (Array.isArray(allOf)) {
    for (const part of allOf) {
      const found = memberSchema(part, name);
      if (found !== undefined) return found;
    }
  }
  const alternatives: readonly unknown[] = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : [];
  const found = alternatives.map((part) => memberSchema(part, name));
  return found.length > 0 && !found.includes(undefined) ? found[0] : undefined;
}

function isSchemaObject(value: unknown): value is { readonly [keyword: string]: never } {
  return isRecord(value);
}
