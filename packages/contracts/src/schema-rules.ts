import { Format } from "typebox/format";
import { jsonEqual, jsonKey } from "./json-equal.ts";
import { compilePattern } from "./pattern.ts";
import { isRecord, pointer } from "./schema-problems.ts";

/** One way in which a value does not fit its schema. */
export interface SchemaIssue {
  /** JSON pointer into the value; empty for the value itself. */
  readonly path: string;
  readonly message: string;
}

/** Which members and items of one value some schema has looked at, for the `unevaluated…` keywords. */
export interface Evaluated {
  readonly names: Set<string>;
  allNames: boolean;
  /** Items are looked at from the front; `Infinity` is all of them. */
  items: number;
}

/** Checks one value; with `issues` it goes on after the first failure and says what is wrong. */
export type Rule = (
  value: unknown,
  path: string,
  issues: SchemaIssue[] | undefined,
  seen: Evaluated | undefined,
) => boolean;

const ISSUE_LIMIT = 20;

/**
 * A schema as a tree of functions: no code is generated, every keyword of 2019-09 is exact, and the problems come
 * with words for people. The schema must have no problems (`schemaProblems`).
 */
export function schemaRule(schema: unknown): Rule {
  if (schema === false) return (_value, path, issues) => report(issues, path, "is not allowed");
  if (!isRecord(schema)) return () => true;
  const rules = [...assertions(schema), ...arrayRules(schema), ...objectRules(schema), ...applicators(schema)];
  const last = unevaluated(schema);
  const [only] = rules;
  if (last === undefined && rules.length === 1 && only !== undefined) return only;
  return (value, path, issues, seen) => {
    const own = last === undefined ? seen : nothingSeen();
    let valid = true;
    for (const rule of rules) {
      if (rule(value, path, issues, own)) continue;
      valid = false;
      if (issues === undefined || issues.length >= ISSUE_LIMIT) return false;
    }
    if (last === undefined || own === undefined || !valid) return valid;
    valid = last(value, path, issues, own);
    if (seen !== undefined) merge(seen, own);
    return valid;
  };
}

function report(issues: SchemaIssue[] | undefined, path: string, message: string): false {
  if (issues !== undefined && issues.length < ISSUE_LIMIT) issues.push({ path, message });
  return false;
}

function nothingSeen(): Evaluated {
  return { names: new Set(), allNames: false, items: 0 };
}

function merge(into: Evaluated, from: Evaluated): void {
  for (const name of from.names) into.names.add(name);
  into.allNames ||= from.allNames;
  into.items = Math.max(into.items, from.items);
}

/** Keywords that look at the value alone. */
function* assertions(schema: { readonly [keyword: string]: unknown }): Generator<Rule> {
  const { type, pattern, format, multipleOf } = schema;
  if (type !== undefined) {
    const names: readonly unknown[] = Array.isArray(type) ? type : [type];
    yield simple((value) => names.some((name) => hasType(value, name)), `must be ${names.join(" or ")}`);
  }
  if ("const" in schema) yield simple((value) => jsonEqual(value, schema.const), `must be ${brief(schema.const)}`);
  if (Array.isArray(schema.enum)) {
    const allowed: readonly unknown[] = schema.enum;
    yield simple(
      (value) => allowed.some((each) => jsonEqual(value, each)),
      `must be one of ${allowed.map(brief).join(", ")}`,
    );
  }
  yield* numeric(schema, "minimum", (value, limit) => value >= limit, "at least");
  yield* numeric(schema, "maximum", (value, limit) => value <= limit, "at most");
  yield* numeric(schema, "exclusiveMinimum", (value, limit) => value > limit, "more than");
  yield* numeric(schema, "exclusiveMaximum", (value, limit) => value < limit, "less than");
  if (typeof multipleOf === "number") {
    yield simple(
      (value) => typeof value !== "number" || isMultiple(value, multipleOf),
      `must be a multiple of ${multipleOf}`,
    );
  }
  yield* sized(schema, "Length", (value) => (typeof value === "string" ? codePoints(value) : undefined), "characters");
  yield* sized(schema, "Items", (value) => (Array.isArray(value) ? value.length : undefined), "items");
  yield* sized(schema, "Properties", (value) => (isRecord(value) ? Object.keys(value).length : undefined), "members");
  if (typeof pattern === "string") {
    const compiled = compilePattern(pattern);
    yield simple((value) => typeof value !== "string" || compiled.test(value), `must match ${pattern}`);
  }
  if (typeof format === "string")
    yield simple((value) => typeof value !== "string" || Format.Test(format, value), `must be a valid ${format}`);
  if (schema.uniqueItems === true) {
    yield simple(
      (value) => !Array.isArray(value) || new Set(value.map(jsonKey)).size === value.length,
      "must not hold the same item twice",
    );
  }
}

function simple(fits: (value: unknown) => boolean, message: string): Rule {
  return (value, path, issues) => fits(value) || report(issues, path, message);
}

function* numeric(
  schema: { readonly [keyword: string]: unknown },
  keyword: string,
  fits: (value: number, limit: number) => boolean,
  words: string,
): Generator<Rule> {
  const limit = schema[keyword];
  if (typeof limit === "number")
    yield simple((value) => typeof value !== "number" || fits(value, limit), `must be ${words} ${limit}`);
}

function* sized(
  schema: { readonly [keyword: string]: unknown },
  noun: string,
  size: (value: unknown) => number | undefined,
  words: string,
): Generator<Rule> {
  const least = schema[`min${noun}`];
  const most = schema[`max${noun}`];
  if (typeof least === "number")
    yield simple((value) => (size(value) ?? least) >= least, `must have at least ${least} ${words}`);
  if (typeof most === "number")
    yield simple((value) => (size(value) ?? most) <= most, `must have at most ${most} ${words}`);
}

function* arrayRules(schema: { readonly [keyword: string]: unknown }): Generator<Rule> {
  const { items, additionalItems, contains, minContains, maxContains } = schema;
  if (items !== undefined) {
    const listed = Array.isArray(items) ? items.map(schemaRule) : [];
    const rest = Array.isArray(items)
      ? additionalItems === undefined
        ? undefined
        : schemaRule(additionalItems)
      : schemaRule(items);
    yield (value, path, issues, seen) => {
      if (!Array.isArray(value)) return true;
      if (seen !== undefined) seen.items = Math.max(seen.items, rest === undefined ? listed.length : Infinity);
      return every(value, issues, (item, index) => {
        const rule = listed[index] ?? rest;
        return rule === undefined || rule(item, issues === undefined ? path : pointer(path, index), issues, undefined);
      });
    };
  }
  if (contains !== undefined) {
    const rule = schemaRule(contains);
    const least = typeof minContains === "number" ? minContains : 1;
    const most = typeof maxContains === "number" ? maxContains : Infinity;
    yield (value, path, issues) => {
      if (!Array.isArray(value)) return true;
      const found = value.filter((item) => rule(item, path, undefined, undefined)).length;
      if (found < least) return report(issues, path, `must contain at least ${least} fitting items`);
      return found <= most || report(issues, path, `must contain at most ${most} fitting items`);
    };
  }
}

function* objectRules(schema: { readonly [keyword: string]: unknown }): Generator<Rule> {
  const { required, properties, patternProperties, additionalProperties, propertyNames } = schema;
  if (Array.isArray(required)) yield requires(() => true, required);
  for (const [name, needed] of members(schema.dependentRequired))
    yield requires((value) => Object.hasOwn(value, name), needed);
  if (propertyNames !== undefined) {
    const rule = schemaRule(propertyNames);
    yield (value, path, issues) =>
      !isRecord(value) ||
      every(
        Object.keys(value),
        issues,
        (name) =>
          rule(name, path, undefined, undefined) ||
          report(issues, pointer(path, name), "has a name that is not allowed"),
      );
  }
  if (properties === undefined && patternProperties === undefined && additionalProperties === undefined) return;
  const named = new Map(members(properties).map(([name, each]) => [name, schemaRule(each)]));
  const matched = members(patternProperties).map(([source, each]) => ({
    pattern: compilePattern(source),
    rule: schemaRule(each),
  }));
  const others = additionalProperties === undefined ? undefined : schemaRule(additionalProperties);
  const listing = matched.length > 0 || others !== undefined;
  yield (value, path, issues, seen) => {
    if (!isRecord(value)) return true;
    if (!listing) {
      let valid = true;
      for (const [name, rule] of named) {
        if (!Object.hasOwn(value, name)) continue;
        seen?.names.add(name);
        if (rule(value[name], issues === undefined ? path : pointer(path, name), issues, undefined)) continue;
        valid = false;
        if (issues === undefined) return false;
      }
      return valid;
    }
    if (seen !== undefined && others !== undefined) seen.allNames = true;
    return every(Object.keys(value), issues, (name) => {
      const at = issues === undefined ? path : pointer(path, name);
      const own = named.get(name);
      let known = own !== undefined;
      let valid = own === undefined || own(value[name], at, issues, undefined);
      for (const { pattern, rule } of matched) {
        if (!pattern.test(name)) continue;
        known = true;
        valid = rule(value[name], at, issues, undefined) && valid;
      }
      if (known) seen?.names.add(name);
      else if (others !== undefined) valid = others(value[name], at, issues, undefined);
      return valid;
    });
  };
}

function requires(applies: (value: object) => boolean, needed: unknown): Rule {
  const names: readonly unknown[] = Array.isArray(needed) ? needed : [];
  return (value, path, issues) =>
    !isRecord(value) ||
    !applies(value) ||
    every(
      names,
      issues,
      (name) =>
        typeof name !== "string" || Object.hasOwn(value, name) || report(issues, pointer(path, name), "is missing"),
    );
}

/** Keywords that apply further schemas to the same value. */
function* applicators(schema: { readonly [keyword: string]: unknown }): Generator<Rule> {
  const { allOf, anyOf, oneOf, not } = schema;
  if (Array.isArray(allOf)) {
    const rules = allOf.map(schemaRule);
    yield (value, path, issues, seen) => every(rules, issues, (rule) => rule(value, path, issues, seen));
  }
  if (Array.isArray(anyOf))
    yield alternatives(anyOf.map(schemaRule), (fitting) => fitting > 0, "fits none of the alternatives", true);
  if (Array.isArray(oneOf))
    yield alternatives(
      oneOf.map(schemaRule),
      (fitting) => fitting === 1,
      "must fit exactly one of the alternatives",
      false,
    );
  if (not !== undefined) {
    const rule = schemaRule(not);
    yield (value, path, issues) =>
      !rule(value, path, undefined, undefined) || report(issues, path, "has a form that is not allowed");
  }
  if (schema.if !== undefined) {
    const condition = schemaRule(schema.if);
    const then = schemaRule(schema.then);
    const otherwise = schemaRule(schema.else);
    yield (value, path, issues, seen) => {
      const inside = seen === undefined ? undefined : nothingSeen();
      if (!condition(value, path, undefined, inside)) return otherwise(value, path, issues, seen);
      if (seen !== undefined && inside !== undefined) merge(seen, inside);
      return then(value, path, issues, seen);
    };
  }
  for (const [name, each] of [...members(schema.dependentSchemas), ...members(schema.dependencies)]) {
    if (Array.isArray(each)) {
      yield requires((value) => Object.hasOwn(value, name), each);
      continue;
    }
    const rule = schemaRule(each);
    yield (value, path, issues, seen) =>
      !isRecord(value) || !Object.hasOwn(value, name) || rule(value, path, issues, seen);
  }
}

function alternatives(
  rules: readonly Rule[],
  enough: (fitting: number) => boolean,
  message: string,
  stopEarly: boolean,
): Rule {
  return (value, path, issues, seen) => {
    let fitting = 0;
    for (const rule of rules) {
      const inside = seen === undefined ? undefined : nothingSeen();
      if (!rule(value, path, undefined, inside)) continue;
      fitting += 1;
      if (seen !== undefined && inside !== undefined) merge(seen, inside);
      else if (stopEarly) return true;
    }
    return enough(fitting) || report(issues, path, message);
  };
}

/** What nothing else has looked at; runs last because it depends on all the others. */
function unevaluated(schema: { readonly [keyword: string]: unknown }): Rule | undefined {
  const { unevaluatedItems, unevaluatedProperties } = schema;
  if (unevaluatedItems === undefined && unevaluatedProperties === undefined) return undefined;
  const item = unevaluatedItems === undefined ? undefined : schemaRule(unevaluatedItems);
  const member = unevaluatedProperties === undefined ? undefined : schemaRule(unevaluatedProperties);
  return (value, path, issues, seen) => {
    if (seen === undefined) return true;
    if (Array.isArray(value)) {
      const first = seen.items;
      if (item === undefined) return true;
      seen.items = Infinity;
      return every(
        value,
        issues,
        (each, index) => index < first || item(each, pointer(path, index), issues, undefined),
      );
    }
    if (!isRecord(value) || member === undefined || seen.allNames) return true;
    seen.allNames = true;
    return every(
      Object.keys(value),
      issues,
      (name) => seen.names.has(name) || member(value[name], pointer(path, name), issues, undefined),
    );
  };
}

/** Like `Array.every`, but with issues to collect it does not stop at the first failure. */
function every<T>(
  list: readonly T[],
  issues: SchemaIssue[] | undefined,
  fits: (item: T, index: number) => boolean,
): boolean {
  let valid = true;
  for (let index = 0; index < list.length; index += 1) {
    const item = list[index];
    if (item === undefined || fits(item, index)) continue;
    valid = false;
    if (issues === undefined || issues.length >= ISSUE_LIMIT) return false;
  }
  return valid;
}

function members(value: unknown): readonly [string, unknown][] {
  return isRecord(value) ? Object.entries(value) : [];
}

function hasType(value: unknown, name: unknown): boolean {
  switch (name) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isRecord(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return Number.isFinite(value);
    default:
      return typeof value === name;
  }
}

/** Binary fractions are not exact: 0.3 is a multiple of 0.1. */
function isMultiple(value: number, of: number): boolean {
  if (Number.isInteger(value) && Number.isInteger(1 / of)) return true;
  const rest = Math.abs(value % of);
  return Math.min(rest, Math.abs(rest - of)) < 1e-10;
}

function codePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    count += 1;
    if ((text.codePointAt(index) ?? 0) > 0xffff) index += 1;
  }
  return count;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
