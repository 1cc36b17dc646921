import { compileSchema } from "./schema.ts";
import { jsonKey } from "./json-equal.ts";
import type { JsonSchema } from "./manifest.ts";
import { VALIDATION_KEYWORDS } from "./schema-keywords.ts";
import { isRecord, pointer } from "./schema-problems.ts";

/** Why values of one schema may not fit another, and where. */
export interface Misfit {
  readonly path: string;
  readonly message: string;
}

/**
 * Whether everything somebody writes by the schema `source` fits the schema `target`: `undefined` when that is
 * proven, otherwise the first place where it is not. What cannot be proven counts as a misfit.
 *
 * One assumption: whoever writes by an object schema that lists `properties` and says nothing about others writes the
 * listed ones only. Otherwise no optional member could ever be added to an input.
 */
export function schemaMisfit(source: unknown, target: unknown): Misfit | undefined {
  return new Comparison().compare(source, target, "");
}

interface Answer {
  readonly misfit: Misfit | undefined;
}

type Keywords = { readonly [keyword: string]: unknown };

const STEP_LIMIT = 20_000;
/** These say the same wherever they stand, so the same keyword on both sides proves itself. */
const GROUPS: readonly (readonly string[])[] = [
  ["not"],
  ["if", "then", "else"],
  ["dependentRequired"],
  ["dependentSchemas"],
  ["dependencies"],
  ["contains", "minContains", "maxContains"],
  ["propertyNames"],
];
const ALL_TYPES: readonly string[] = ["null", "boolean", "object", "array", "number", "string"];

class Comparison {
  #steps = 0;
  readonly #answers = new WeakMap<object, WeakMap<object, Answer>>();
  readonly #keys = new WeakMap<object, string>();

  compare(source: unknown, target: unknown, path: string): Misfit | undefined {
    this.#steps += 1;
    if (this.#steps > STEP_LIMIT) return { path, message: "the schemas are too complex to compare" };
    if (source === false || target === true || source === target || this.#key(source) === this.#key(target))
      return undefined;
    if (target === false) return { path, message: "nothing is accepted here any more" };
    if (!isRecord(target) || !constrains(target)) return undefined;
    const from: Keywords = isRecord(source) ? source : {};
    const misfit = this.#remembered(from, target);
    return misfit === undefined ? undefined : { path: `${path}${misfit.path}`, message: misfit.message };
  }

  /** Unions of unions ask about the same pair again and again. */
  #remembered(source: Keywords, target: Keywords): Misfit | undefined {
    const answers = this.#answers.get(source) ?? new WeakMap<object, Answer>();
    this.#answers.set(source, answers);
    const known = answers.get(target);
    if (known !== undefined) return known.misfit;
    const finite = finiteValues(source);
    const misfit = finite === undefined ? this.#splitTarget(source, target, "") : this.#eachValue(finite, target, "");
    answers.set(target, { misfit });
    return misfit;
  }

  #key(schema: unknown): string {
    if (!isRecord(schema)) return schema === false ? "false" : "true";
    const known = this.#keys.get(schema) ?? jsonKey(schema);
    this.#keys.set(schema, known);
    return known;
  }

  #eachValue(values: readonly unknown[], target: Keywords, path: string): Misfit | undefined {
    // The target is part of a schema of a parsed manifest, which is JSON and compiles.
    const { check } = compileSchema(target as JsonSchema);
    const refused = values.find((value) => !check(value));
    return refused === undefined ? undefined : { path, message: `${brief(refused)} is not accepted` };
  }

  /** A target made of several parts is fitted part by part. */
  #splitTarget(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const { allOf, anyOf, oneOf, ...rest } = target;
    for (const part of listOf(allOf)) {
      const misfit = this.compare(source, part, path);
      if (misfit !== undefined) return misfit;
    }
    const isUnion = anyOf !== undefined || oneOf !== undefined;
    if (isUnion) {
      const misfit = this.#alternatives(source, target, path);
      if (misfit !== undefined) return misfit;
    }
    return constrains(rest) ? this.#splitSource(source, rest, path) : undefined;
  }

  #alternatives(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    for (const keyword of ["anyOf", "oneOf"] as const) {
      const options = listOf(target[keyword]);
      if (options.length === 0) continue;
      if (jsonKey(source[keyword]) === jsonKey(target[keyword])) continue;
      const whole = this.#someOption(source, options, keyword, path);
      if (whole === undefined) continue;
      // A union on the other side too: each of its members must find a place.
      const members = unionOf(source);
      if (members === undefined) return whole;
      for (const member of members) {
        const misfit = this.compare(member, { [keyword]: options }, path);
        if (misfit !== undefined) return misfit;
      }
    }
    return undefined;
  }

  #someOption(
    source: Keywords,
    options: readonly unknown[],
    keyword: "anyOf" | "oneOf",
    path: string,
  ): Misfit | undefined {
    let only: Misfit | undefined;
    let ambiguous = false;
    for (const [index, option] of options.entries()) {
      const misfit = this.compare(source, option, path);
      if (misfit !== undefined) only = misfit;
      else if (keyword === "anyOf" || options.every((other, at) => at === index || disjoint(source, other)))
        return undefined;
      else ambiguous = true;
    }
    if (ambiguous) return { path, message: "may fit several alternatives where exactly one is accepted" };
    return options.length === 1 ? only : { path, message: "fits none of the alternatives accepted" };
  }

  /** A source made of several parts fits when one of them, or all members of a union, do. */
  #splitSource(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const { allOf, anyOf: _anyOf, oneOf: _oneOf, ...rest } = source;
    const direct = this.#keywords(rest, target, path);
    if (direct === undefined) return undefined;
    for (const part of listOf(allOf)) if (this.compare(part, target, path) === undefined) return undefined;
    const members = unionOf(source);
    if (members === undefined) return direct;
    for (const member of members) {
      const misfit = this.compare(member, target, path);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  }

  #keywords(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const types = typesOf(source);
    return (
      typeMisfit(types, target, path) ??
      valuesMisfit(target, path) ??
      sameGroups(source, target, path) ??
      (types.includes("number") || types.includes("integer") ? numberMisfit(source, target, path) : undefined) ??
      (types.includes("string") ? stringMisfit(source, target, path) : undefined) ??
      (types.includes("array") ? this.#array(source, target, path) : undefined) ??
      (types.includes("object") ? this.#object(source, target, path) : undefined)
    );
  }

  #array(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const sizes = sizeMisfit(source, target, "Items", "items", path);
    if (sizes !== undefined) return sizes;
    if (target.uniqueItems === true && source.uniqueItems !== true)
      return { path, message: "items must be different from each other" };
    if (target.unevaluatedItems !== undefined) return unproven(path, "unevaluatedItems");
    const count = Math.max(listOf(source.items).length, listOf(target.items).length);
    for (let index = 0; index < count; index += 1) {
      if (typeof source.maxItems === "number" && index >= source.maxItems) return undefined;
      const misfit = this.compare(itemAt(source, index), itemAt(target, index), pointer(path, index));
      if (misfit !== undefined) return misfit;
    }
    return this.compare(itemAt(source, count), itemAt(target, count), pointer(path, "*"));
  }

  #object(source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const sizes = sizeMisfit(source, target, "Properties", "members", path);
    if (sizes !== undefined) return sizes;
    const always = new Set(listOf(source.required));
    const missing = listOf(target.required).find((name) => !always.has(name));
    if (typeof missing === "string") return { path: pointer(path, missing), message: "is required, but may be absent" };
    if (target.unevaluatedProperties !== undefined) return unproven(path, "unevaluatedProperties");
    if (jsonKey(source.patternProperties) !== jsonKey(target.patternProperties))
      return unproven(path, "patternProperties");
    const from = isRecord(source.properties) ? source.properties : {};
    const to = isRecord(target.properties) ? target.properties : {};
    for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
      const misfit = this.#property(name, source, target, path);
      if (misfit !== undefined) return misfit;
    }
    const others = otherMembers(source);
    if (others === false || target.additionalProperties === undefined) return undefined;
    return this.compare(others, target.additionalProperties, pointer(path, "*"));
  }

  #property(name: string, source: Keywords, target: Keywords, path: string): Misfit | undefined {
    const from = member(source.properties, name) ?? otherMembers(source);
    const to =
      member(target.properties, name) ??
      (target.additionalProperties === undefined ? true : target.additionalProperties);
    const misfit = this.compare(from, to, pointer(path, name));
    if (misfit !== undefined && to === false) return { path: pointer(path, name), message: "is not accepted" };
    return misfit;
  }
}

/** What a source writes under names it does not list. */
function otherMembers(source: Keywords): unknown {
  if (source.additionalProperties !== undefined) return source.additionalProperties;
  return source.properties === undefined;
}

function member(map: unknown, name: string): unknown {
  return isRecord(map) && Object.hasOwn(map, name) ? map[name] : undefined;
}

function itemAt(schema: Keywords, index: number): unknown {
  const { items, additionalItems } = schema;
  if (!Array.isArray(items)) return items ?? true;
  return index < items.length ? items[index] : (additionalItems ?? true);
}

function typesOf(schema: Keywords): readonly string[] {
  if (schema.type === undefined) return ALL_TYPES;
  return (Array.isArray(schema.type) ? schema.type : [schema.type]).filter((name) => typeof name === "string");
}

function typeMisfit(types: readonly string[], target: Keywords, path: string): Misfit | undefined {
  if (target.type === undefined) return undefined;
  const accepted = typesOf(target);
  const refused = types.find(
    (type) => !accepted.includes(type) && !(type === "integer" && accepted.includes("number")),
  );
  return refused === undefined
    ? undefined
    : { path, message: `may be ${refused}, but only ${accepted.join(" or ")} is accepted` };
}

function valuesMisfit(target: Keywords, path: string): Misfit | undefined {
  if (!("const" in target) && target.enum === undefined) return undefined;
  return { path, message: "only listed values are accepted" };
}

function sameGroups(source: Keywords, target: Keywords, path: string): Misfit | undefined {
  for (const group of GROUPS) {
    const present = group.some((keyword) => target[keyword] !== undefined);
    if (present && group.some((keyword) => jsonKey(source[keyword]) !== jsonKey(target[keyword])))
      return unproven(path, group[0] ?? "");
  }
  return undefined;
}

function numberMisfit(source: Keywords, target: Keywords, path: string): Misfit | undefined {
  const low = lower(source);
  const high = upper(source);
  const needLow = lower(target);
  const needHigh = upper(target);
  if (low.value < needLow.value || (low.value === needLow.value && needLow.open && !low.open))
    return { path, message: `may be below ${needLow.value}` };
  if (high.value > needHigh.value || (high.value === needHigh.value && needHigh.open && !high.open))
    return { path, message: `may be above ${needHigh.value}` };
  const { multipleOf } = target;
  if (typeof multipleOf !== "number") return undefined;
  const step =
    typeof source.multipleOf === "number" ? source.multipleOf : typesOf(source).includes("number") ? undefined : 1;
  if (step !== undefined && Number.isInteger(step) && Number.isInteger(multipleOf) && step % multipleOf === 0)
    return undefined;
  return step === multipleOf ? undefined : { path, message: `may not be a multiple of ${multipleOf}` };
}

function lower({ minimum, exclusiveMinimum }: Keywords): { value: number; open: boolean } {
  const closed = typeof minimum === "number" ? minimum : -Infinity;
  const open = typeof exclusiveMinimum === "number" ? exclusiveMinimum : -Infinity;
  return open >= closed && open !== -Infinity ? { value: open, open: true } : { value: closed, open: false };
}

function upper({ maximum, exclusiveMaximum }: Keywords): { value: number; open: boolean } {
  const closed = typeof maximum === "number" ? maximum : Infinity;
  const open = typeof exclusiveMaximum === "number" ? exclusiveMaximum : Infinity;
  return open <= closed && open !== Infinity ? { value: open, open: true } : { value: closed, open: false };
}

function stringMisfit(source: Keywords, target: Keywords, path: string): Misfit | undefined {
  const sizes = sizeMisfit(source, target, "Length", "characters", path);
  if (sizes !== undefined) return sizes;
  if (target.pattern !== undefined && target.pattern !== source.pattern)
    return { path, message: `may not match ${String(target.pattern)}` };
  if (target.format !== undefined && target.format !== source.format)
    return { path, message: `may not be a valid ${String(target.format)}` };
  return undefined;
}

function sizeMisfit(source: Keywords, target: Keywords, noun: string, words: string, path: string): Misfit | undefined {
  const bound = (schema: Keywords, keyword: string, otherwise: number): number => {
    const value = schema[`${keyword}${noun}`];
    return typeof value === "number" ? value : otherwise;
  };
  const least = bound(target, "min", 0);
  const most = bound(target, "max", Infinity);
  if (bound(source, "min", 0) < least) return { path, message: `may have fewer than ${least} ${words}` };
  if (bound(source, "max", Infinity) > most) return { path, message: `may have more than ${most} ${words}` };
  return undefined;
}

function finiteValues(schema: Keywords): readonly unknown[] | undefined {
  if ("const" in schema) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : undefined;
}

function unionOf(schema: Keywords): readonly unknown[] | undefined {
  const options = [...listOf(schema.anyOf ?? schema.oneOf)];
  if (options.length > 0) return options;
  // Several types are a union too, each with the other keywords.
  return Array.isArray(schema.type) && schema.type.length > 1
    ? schema.type.map((type: unknown) => ({ ...schema, type }))
    : undefined;
}

/** Whether no value can fit both, as far as types and fixed members show. */
function disjoint(a: unknown, b: unknown): boolean {
  if (a === false || b === false) return true;
  if (!isRecord(a) || !isRecord(b)) return false;
  const listed = finiteValues(a);
  const others = finiteValues(b);
  if (listed !== undefined && others !== undefined) {
    const keys = new Set(others.map(jsonKey));
    return !listed.some((value) => keys.has(jsonKey(value)));
  }
  const broad = (types: readonly string[]): readonly string[] =>
    types.map((type) => (type === "integer" ? "number" : type));
  const left = broad(typesOf(a));
  const right = broad(typesOf(b));
  if (a.type !== undefined && b.type !== undefined && !left.some((type) => right.includes(type))) return true;
  if (!left.every((type) => type === "object")) return false;
  const shared = listOf(a.required).filter((name) => listOf(b.required).includes(name));
  return shared.some(
    (name) => typeof name === "string" && disjoint(member(a.properties, name), member(b.properties, name)),
  );
}

function constrains(schema: Keywords): boolean {
  return Object.keys(schema).some((keyword) => VALIDATION_KEYWORDS.has(keyword));
}

function unproven(path: string, keyword: string): Misfit {
  return { path, message: `${keyword} differs, so that what fitted before is not proven to fit` };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
