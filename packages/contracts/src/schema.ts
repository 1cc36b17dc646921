import Schema from "typebox/schema";
import { LIMITS } from "./limits.ts";
import { compilePattern } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";
import { VALIDATION_KEYWORDS } from "./schema-keywords.ts";
import { isRecord, schemaProblems } from "./schema-problems.ts";
import type { Problem } from "./schema-problems.ts";
import type { JsonSchema } from "./manifest.ts";

/** One way in which a value does not fit its schema. */
export interface SchemaIssue {
  /** JSON pointer into the value; empty for the value itself. */
  readonly path: string;
  readonly message: string;
}

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
const NOTHING: CompiledSchema = { check: () => false, errors: () => [{ path: "", message: "no value is allowed here" }] };

/**
 * Makes a JSON Schema 2019-09 document checkable. Code is generated where the runtime permits it and the schema is
 * interpreted where it does not (a browser's content security policy). The same schema object is compiled once.
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
  const traits: Traits = { matchesNames: false };
  const prepared = prepare(schema, traits);
  if (typeof prepared === "boolean") return prepared ? ANYTHING : NOTHING;
  const validator = Schema.Compile(prepared);
  // The interpreter behind an unaccelerated validator keeps state between checks; `Schema.Check` starts afresh.
  const run = validator.IsAccelerated()
    ? (value: unknown) => validator.Check(value)
    : (value: unknown) => Schema.Check(prepared, value);
  const namesFit = traits.matchesNames ? hasBoundedNames : () => true;
  return {
    check: (value) => guarded(() => namesFit(value) && run(value)) ?? false,
    errors(value) {
      if (!namesFit(value)) {
        return [{ path: "", message: `a property name is longer than ${LIMITS.patternPropertyName.value} characters` }];
      }
      if (this.check(value)) return [];
      const [, found] = guarded(() => Schema.Errors(prepared, value)) ?? [false, []];
      const issues = found.map(({ instancePath, message }) => ({ path: instancePath, message }));
      return issues.length > 0 ? issues : [{ path: "", message: "the value does not fit the schema" }];
    },
  };
}

interface Traits {
  matchesNames: boolean;
}

/**
 * A copy that holds the validation keywords of 2019-09 and nothing else: typebox knows keywords of other drafts and
 * of its own, and code is generated from what it is given. Patterns become matchers that cannot be made to hang.
 */
function prepare(schema: unknown, traits: Traits): boolean | Record<string, unknown> {
  if (!isRecord(schema)) return schema !== false;
  const copy: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    const prepared = prepareKeyword(keyword, value, traits);
    if (prepared !== undefined) copy[keyword] = prepared;
  }
  // Without `contains` these two mean nothing, but typebox checks them on their own.
  if (!("contains" in copy)) {
    delete copy.minContains;
    delete copy.maxContains;
  }
  // `additionalItems` applies only after a list of item schemas.
  if (!Array.isArray(copy.items)) delete copy.additionalItems;
  return copy;
}

function prepareKeyword(keyword: string, value: unknown, traits: Traits): unknown {
  const shape = VALIDATION_KEYWORDS.get(keyword);
  switch (shape) {
    case undefined:
      return undefined;
    case "schema":
      return prepare(value, traits);
    case "schemaList":
    case "schemaOrList":
      return Array.isArray(value) ? value.map((member) => prepare(member, traits)) : prepare(value, traits);
    case "schemaMap":
    case "dependencies":
      if (keyword === "patternProperties") traits.matchesNames = true;
      return prepareMembers(value, traits);
    case "pattern":
      return typeof value === "string" ? new BoundedRegExp(value) : undefined;
    case "textListMap":
    default:
      return value;
  }
}

function prepareMembers(value: unknown, traits: Traits): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  if (!isRecord(value)) return members;
  for (const [key, member] of Object.entries(value)) {
    members[key] = Array.isArray(member) ? member : prepare(member, traits);
  }
  return members;
}

/** Looks like a `RegExp` to typebox, but matches in linear time. */
class BoundedRegExp extends RegExp {
  readonly #pattern: Pattern;

  constructor(source: string) {
    super(source, "u");
    this.#pattern = compilePattern(source);
  }

  override test(text: string): boolean {
    return this.#pattern.test(text);
  }
}

/** A value nested too deep for the stack does not fit, whatever its schema says. */
function guarded<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

function hasBoundedNames(value: unknown): boolean {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (Array.isArray(next)) for (const item of next) pending.push(item);
    else if (isRecord(next)) {
      for (const key of Object.keys(next)) {
        if (key.length > LIMITS.patternPropertyName.value) return false;
        pending.push(next[key]);
      }
    }
  }
  return true;
}

/** Where a JSON pointer leads inside a schema, as far as `properties` says; `undefined` when it leads nowhere. */
export function schemaAt(schema: JsonSchema, path: string): JsonSchema | undefined {
  if (path === "") return schema;
  let at: unknown = schema;
  for (const part of path.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const members: unknown = isRecord(at) ? at.properties : undefined;
    if (!isRecord(members) || !Object.hasOwn(members, name)) return undefined;
    at = members[name];
  }
  return typeof at === "boolean" || isSchemaObject(at) ? at : undefined;
}

function isSchemaObject(value: unknown): value is { readonly [keyword: string]: never } {
  return isRecord(value);
}
