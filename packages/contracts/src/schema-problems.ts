import { LIMITS } from "./limits.ts";
import { compilePattern, PATTERN_STEPS_LIMIT } from "./pattern.ts";
import { PatternError } from "./pattern-syntax.ts";
import { REFUSED_KEYWORDS, TYPE_NAMES, UNSAFE_KEYS, VALIDATION_KEYWORDS } from "./schema-keywords.ts";
import type { KeywordShape } from "./schema-keywords.ts";

/** One thing that is wrong with a manifest or a schema, where, and what to do about it. */
export interface Problem {
  /** JSON pointer into what was checked. */
  readonly path: string;
  readonly message: string;
  readonly fix?: string;
}

/** Appends a member to a JSON pointer. */
export function pointer(path: string, key: string | number): string {
  return `${path}/${typeof key === "number" ? key : key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the patterns of several schemas may cost together. */
export interface PatternBudget {
  steps: number;
}

/**
 * Everything that is wrong with one schema: shapes of keywords, references, patterns that cannot be run in bounded
 * time, and size. A schema without problems can be compiled, compared and checked against in bounded time.
 */
export function schemaProblems(schema: unknown, path = "", patterns: PatternBudget = { steps: 0 }): readonly Problem[] {
  const walk = new SchemaWalk(patterns);
  walk.schema(schema, path, 0, 1);
  return walk.problems;
}

class SchemaWalk {
  readonly problems: Problem[] = [];
  readonly #patterns: PatternBudget;
  #nodes = 0;
  #exhausted = false;

  constructor(patterns: PatternBudget) {
    this.#patterns = patterns;
  }

  schema(schema: unknown, path: string, depth: number, branches: number): void {
    if (!this.#affordable(path, depth, branches)) return;
    if (typeof schema === "boolean") return;
    if (!isRecord(schema)) {
      this.#report(path, "a schema is an object, true or false");
      return;
    }
    for (const [keyword, value] of Object.entries(schema)) {
      const at = pointer(path, keyword);
      const refusal = REFUSED_KEYWORDS.get(keyword);
      if (refusal !== undefined) this.#report(at, `${keyword} is not allowed here`, refusal);
      const shape = VALIDATION_KEYWORDS.get(keyword);
      if (shape !== undefined) this.#keyword(keyword, shape, value, at, depth, branches);
    }
  }

  #keyword(keyword: string, shape: KeywordShape, value: unknown, at: string, depth: number, branches: number): void {
    switch (shape) {
      case "schema":
        return this.schema(value, at, depth + 1, branches);
      case "schemaList":
        return this.#schemaList(keyword, value, at, depth, branches);
      case "schemaOrList":
        if (Array.isArray(value)) return this.#schemaList(keyword, value, at, depth, branches);
        return this.schema(value, at, depth + 1, branches);
      case "schemaMap":
        return this.#schemaMap(keyword, value, at, depth, branches);
      case "dependencies":
        return this.#members(value, at, (member, memberAt) => {
          if (Array.isArray(member)) this.#check(isTextList(member), memberAt, "must be a list of property names");
          else this.schema(member, memberAt, depth + 1, branches);
        });
      case "textListMap":
        return this.#members(value, at, (member, memberAt) =>
          this.#check(isTextList(member), memberAt, "must be a list of property names"),
        );
      case "number":
        return this.#check(typeof value === "number" && Number.isFinite(value), at, "must be a number");
      case "positive":
        return this.#check(
          typeof value === "number" && Number.isFinite(value) && value > 0,
          at,
          "must be a number above zero",
        );
      case "count":
        return this.#check(
          typeof value === "number" && Number.isSafeInteger(value) && value >= 0,
          at,
          "must be a whole number, zero or more",
        );
      case "boolean":
        return this.#check(typeof value === "boolean", at, "must be true or false");
      case "text":
        return this.#check(typeof value === "string", at, "must be text");
      case "textList":
        return this.#check(isTextList(value), at, "must be a list of texts");
      case "types":
        return this.#types(value, at);
      case "list":
        return this.#check(Array.isArray(value), at, "must be a list");
      case "pattern":
        return this.#pattern(value, at);
      case "any":
        return;
    }
  }

  #schemaList(keyword: string, value: unknown, at: string, depth: number, branches: number): void {
    if (!Array.isArray(value) || (value.length === 0 && keyword !== "items")) {
      this.#report(at, "must be a list of schemas with at least one entry");
      return;
    }
    // Each alternative may be tried for each value, so alternatives inside alternatives multiply.
    const inside = keyword === "anyOf" || keyword === "oneOf" ? branches * value.length : branches;
    value.forEach((member: unknown, index) => this.schema(member, pointer(at, index), depth + 1, inside));
  }

  #schemaMap(keyword: string, value: unknown, at: string, depth: number, branches: number): void {
    this.#members(value, at, (member, memberAt, key) => {
      if (keyword === "patternProperties") this.#pattern(key, memberAt);
      this.schema(member, memberAt, depth + 1, branches);
    });
  }

  #members(value: unknown, at: string, each: (member: unknown, at: string, key: string) => void): void {
    if (!isRecord(value)) {
      this.#report(at, "must be an object");
      return;
    }
    for (const [key, member] of Object.entries(value)) {
      const memberAt = pointer(at, key);
      if (UNSAFE_KEYS.has(key)) this.#report(memberAt, `a property cannot be called ${key}`, "choose another name");
      else each(member, memberAt, key);
    }
  }

  #types(value: unknown, at: string): void {
    const names: readonly unknown[] = Array.isArray(value) ? value : [value];
    const valid = names.length > 0 && names.every((name) => typeof name === "string" && TYPE_NAMES.includes(name));
    this.#check(valid, at, `must be one or several of ${TYPE_NAMES.join(", ")}`);
  }

  #pattern(value: unknown, at: string): void {
    if (typeof value !== "string") {
      this.#report(at, "must be a regular expression as text");
      return;
    }
    if (this.#patterns.steps > LIMITS.patternSteps.value) {
      this.#exhausted = true;
      this.#report(
        at,
        `the patterns add up to more than ${LIMITS.patternSteps.value} steps`,
        LIMITS.patternSteps.reason,
      );
      return;
    }
    try {
      this.#patterns.steps += compilePattern(value).steps + value.length;
    } catch (cause) {
      if (!(cause instanceof PatternError)) throw cause;
      this.#patterns.steps += PATTERN_STEPS_LIMIT;
      this.#report(at, cause.message, "write a pattern without back-references or look-around");
    }
  }

  #affordable(path: string, depth: number, branches: number): boolean {
    if (this.#exhausted) return false;
    this.#nodes += 1;
    if (this.#nodes > LIMITS.schemaNodes.value) {
      this.#exhausted = true;
      this.#report(path, `the schema has more than ${LIMITS.schemaNodes.value} parts`, LIMITS.schemaNodes.reason);
      return false;
    }
    if (depth > LIMITS.schemaDepth.value) {
      this.#report(
        path,
        `the schema is nested deeper than ${LIMITS.schemaDepth.value} levels`,
        LIMITS.schemaDepth.reason,
      );
      return false;
    }
    if (branches > LIMITS.schemaBranches.value) {
      this.#exhausted = true;
      this.#report(
        path,
        `alternatives inside alternatives multiply to more than ${LIMITS.schemaBranches.value}`,
        LIMITS.schemaBranches.reason,
      );
      return false;
    }
    return true;
  }

  #check(valid: boolean, path: string, message: string): void {
    if (!valid) this.#report(path, message);
  }

  #report(path: string, message: string, fix?: string): void {
    if (this.problems.length >= LIMITS.problems.value) return;
    this.problems.push(fix === undefined ? { path, message } : { path, message, fix });
  }
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && !UNSAFE_KEYS.has(item));
}
