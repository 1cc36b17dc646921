import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSchema, schemaMisfit } from "./index.ts";
import type { JsonSchema } from "./index.ts";

const text = { type: "string" } as const;
const object = (
  properties: { readonly [name: string]: JsonSchema },
  required: readonly string[] = [],
  more: { readonly [keyword: string]: JsonSchema } = {},
): JsonSchema => ({
  type: "object",
  properties,
  required,
  ...more,
});

describe("schemaMisfit", () => {
  test.each<[string, JsonSchema, JsonSchema]>([
    ["the same", object({ a: text }), object({ a: text })],
    ["an optional member added", object({ a: text }, ["a"]), object({ a: text, b: text }, ["a"])],
    ["a member no longer required", object({ a: text }, ["a"]), object({ a: text })],
    ["a wider type", { type: "integer" }, { type: "number" }],
    ["a wider range", { type: "integer", minimum: 2, maximum: 3 }, { type: "number", exclusiveMinimum: 1, maximum: 3 }],
    ["more listed values", { enum: ["a", "b"] }, { enum: ["a", "b", "c"] }],
    ["listed values of the type", { enum: ["a", "b"] }, { type: "string", maxLength: 1 }],
    ["one of a union", text, { anyOf: [{ type: "null" }, text] }],
    ["a union that grew", { anyOf: [text, { type: "null" }] }, { anyOf: [{ type: "number" }, { type: "null" }, text] }],
    [
      "literals that grew",
      { anyOf: [{ const: "a" }, { const: "b" }] },
      { anyOf: [{ const: "a" }, { const: "b" }, { const: "c" }] },
    ],
    [
      "tagged alternatives",
      { oneOf: [object({ t: { const: "a" } }, ["t"])] },
      { oneOf: [object({ t: { const: "a" } }, ["t"]), object({ t: { const: "b" } }, ["t"])] },
    ],
    [
      "an intersection",
      { allOf: [object({ a: text }, ["a"]), object({ b: text }, ["b"])] },
      { allOf: [object({ b: text }), object({ a: text })] },
    ],
    ["several types", { type: ["string", "null"] }, { anyOf: [{ type: "null" }, text] }],
    ["items", { type: "array", items: { type: "integer" } }, { type: "array", items: { type: "number" } }],
    [
      "a tuple as a list",
      { type: "array", items: [text, text], additionalItems: false },
      { type: "array", items: text },
    ],
    ["a closed object that opens", object({ a: text }, [], { additionalProperties: false }), object({ a: text })],
    ["a pattern that goes", { type: "string", pattern: "^a", format: "email" }, text],
    ["annotations", { ...text, title: "A" }, { ...text, description: "B", default: "x" }],
    [
      "a map",
      { type: "object", additionalProperties: { type: "integer" } },
      { type: "object", additionalProperties: { type: "number" } },
    ],
  ])("%s is safe", (_, source, target) => {
    expect(schemaMisfit(source, target)).toBeUndefined();
  });

  test.each<[string, JsonSchema, JsonSchema, string, string]>([
    ["a member added and required", object({ a: text }), object({ a: text, b: text }, ["b"]), "/b", "required"],
    ["a member required", object({ a: text }), object({ a: text }, ["a"]), "/a", "required"],
    [
      "a member removed from a closed object",
      object({ a: text }, [], { additionalProperties: false }),
      object({}, [], { additionalProperties: false }),
      "/a",
      "not accepted",
    ],
    [
      "a member of another type",
      object({ a: object({ b: text }) }),
      object({ a: object({ b: { type: "number" } }) }),
      "/a/b",
      "only number",
    ],
    ["a narrower type", { type: "number" }, { type: "integer" }, "", "only integer"],
    ["a narrower range", { type: "number", minimum: 1 }, { type: "number", exclusiveMinimum: 1 }, "", "below 1"],
    ["fewer listed values", { enum: ["a", "b"] }, { enum: ["a"] }, "", '"b"'],
    ["a free text to listed values", text, { enum: ["a"] }, "", "listed values"],
    ["a union that shrank", { anyOf: [text, { type: "null" }] }, { anyOf: [text] }, "", "only string"],
    ["ambiguous alternatives", text, { oneOf: [text, { type: "string", maxLength: 5 }] }, "", "exactly one"],
    [
      "an open object that closes",
      { type: "object", additionalProperties: true },
      { type: "object", additionalProperties: false },
      "/*",
      "nothing is accepted",
    ],
    ["any object that gets a typed member", { type: "object" }, object({ a: text }), "/a", "only string"],
    ["a longer text", { type: "string", maxLength: 9 }, { type: "string", maxLength: 8 }, "", "more than 8"],
    ["a pattern", text, { type: "string", pattern: "^a" }, "", "^a"],
    ["what cannot be proven", text, { not: { const: "a" } }, "", "not proven"],
    ["nothing", text, false, "", "nothing is accepted"],
    ["anything", true, text, "", "only string"],
  ])("%s is found", (_, source, target, path, message) => {
    expect(schemaMisfit(source, target)).toMatchObject({ path, message: expect.stringContaining(message) });
  });

  // Soundness against the validator: a proof is wrong if one value fits the source and not the target.
  test("what is called safe is safe", () => {
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constantFrom(null, true, 0, 1, 2, 1.5, "", "a", "ab", "b"),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b"), tie("value"), { maxKeys: 2 }),
      ),
    })).value;
    const size = fc.integer({ min: 0, max: 2 });
    const schema = fc.letrec<{ schema: JsonSchema }>((tie) => {
      const sub = tie("schema");
      const subs = fc.array(sub, { minLength: 1, maxLength: 2 });
      const keywords: { readonly [keyword: string]: fc.Arbitrary<unknown> } = {
        type: fc.constantFrom(
          "null",
          "object",
          "array",
          "number",
          "string",
          "integer",
          ["string", "null"],
          ["array", "integer"],
        ),
        enum: fc.uniqueArray(value, { minLength: 1, maxLength: 2, selector: (each) => JSON.stringify(each) }),
        const: value,
        minimum: size,
        exclusiveMaximum: size,
        multipleOf: fc.constantFrom(1, 2, 0.5),
        minLength: size,
        maxLength: size,
        items: fc.oneof(sub, subs),
        additionalItems: sub,
        minItems: size,
        maxItems: size,
        // Always with `additionalProperties`: the assumption about unlisted members is not what this tests.
        properties: fc.dictionary(fc.constantFrom("a", "b"), sub, { maxKeys: 2 }),
        additionalProperties: sub,
        required: fc.uniqueArray(fc.constantFrom("a", "b"), { maxLength: 2 }),
        maxProperties: size,
        anyOf: subs,
        oneOf: subs,
        allOf: subs,
        not: sub,
        contains: sub,
        uniqueItems: fc.boolean(),
      };
      const some = fc
        .uniqueArray(fc.constantFrom(...Object.keys(keywords)), { maxLength: 3 })
        .map((keys) => (keys.includes("properties") ? [...new Set([...keys, "additionalProperties"])] : keys))
        .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, keywords[key] ?? fc.constant(true)]))));
      return {
        schema: fc.oneof({ depthSize: "small", withCrossShrink: true }, fc.boolean(), some) as fc.Arbitrary<JsonSchema>,
      };
    }).schema;
    let proven = 0;
    fc.assert(
      fc.property(
        schema,
        schema,
        fc.array(value, { minLength: 5, maxLength: 12 }),
        fc.nat(3),
        (first, second, values, mode) => {
          const [a, b] = plain(
            mode === 0
              ? [first, second]
              : mode === 1
                ? [first, { anyOf: [first, second] }]
                : mode === 2
                  ? [{ allOf: [first, second] }, second]
                  : [{ oneOf: [first, second] }, first],
          );
          if (schemaMisfit(a, b) !== undefined) return;
          proven += 1;
          const [source, target] = [compileSchema(a), compileSchema(b)];
          for (const each of plain(values))
            if (source.check(each))
              expect({ a, b, each, fits: target.check(each) }).toEqual({ a, b, each, fits: true });
        },
      ),
      { numRuns: 1_500 },
    );
    expect(proven).toBeGreaterThan(100);
  });

  test("large unions are answered in bounded time", () => {
    let left: JsonSchema = text;
    let right: JsonSchema = { type: "number" };
    for (let level = 0; level < 12; level += 1) {
      left = { anyOf: [{ type: "array", items: left }, object({ a: left })] };
      right = { anyOf: [object({ a: right }), { type: "array", items: right }] };
    }
    const started = performance.now();
    expect(schemaMisfit(left, right)).toBeDefined();
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
