import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePattern } from "./pattern.ts";
import { PatternError } from "./pattern-syntax.ts";

describe("compilePattern", () => {
  const atom = fc.constantFrom(
    "a",
    "b",
    "1",
    "-",
    ".",
    "\\d",
    "\\w",
    "\\s",
    "[a-c]",
    "[^a]",
    "\\p{L}",
    "\\u{1f600}",
    "\\.",
    "\\b",
    "\\B",
    "^",
    "$",
    "[\\]a]",
  );
  const quantifier = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?");
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc
      .array(
        fc.oneof(
          { depthSize: "small", withCrossShrink: true },
          fc.tuple(atom, quantifier).map(([a, q]) => (/^(\\b|\\B|\^|\$)$/.test(a) ? a : a + q)),
          fc
            .tuple(tie("expression"), fc.constantFrom("(", "(?:"), quantifier)
            .map(([e, open, q]) => `${open}${e})${q}`),
          fc.tuple(tie("expression"), tie("expression")).map(([l, r]) => `(?:${l}|${r})`),
        ),
        { maxLength: 4 },
      )
      .map((parts) => parts.join("")),
  }));
  const text = fc
    .array(fc.constantFrom("a", "b", "c", "1", "-", " ", ".", "\n", "é", "😀", "_", "]"), { maxLength: 12 })
    .map((c) => c.join(""));

  test("agrees with the platform's engine", () => {
    fc.assert(
      fc.property(expression, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
        fc.pre(source.length <= 300);
        const ours = compilePattern(source);
        const theirs = new RegExp(source, "u");
        // V8 also looks for a match between the two halves of a surrogate pair, where \B then holds.
        const halves = (each: string): boolean => source.includes("\\B") && each.includes("😀");
        for (const each of texts.filter((candidate) => !halves(candidate)))
          expect([source, each, ours.test(each)]).toEqual([source, each, theirs.test(each)]);
      }),
      { numRuns: 1_500, seed: 20_261_120 },
    );
  });

  test.each(["^(a+)+$", "^(a|a)*$", "^(.*)*x$", "(x+x+)+y", "^([a-z]+)*\\d$"])("%s stays linear", (source) => {
    const pattern = compilePattern(source);
    const started = performance.now();
    for (const letter of ["a", "x", "ax"]) expect(pattern.test(`${letter.repeat(25_000)}!`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test.each([
    ["(?=a)b", "look-around"],
    ["(?<!a)b", "look-around"],
    ["(a)\\1", "back-references"],
    ["(", "group"],
    ["(a{100}){100}", "steps"],
    ["a".repeat(2_000), "longer than"],
    ["((((a{9}){9}){9}){9}){9999999}", "steps"],
  ])("refuses %s and says why", (source, why) => {
    expect(() => compilePattern(source)).toThrow(PatternError);
    expect(() => compilePattern(source)).toThrow(why);
  });

  test("repeating nothing many times costs nothing", () => {
    expect(compilePattern("(?:){1000000000}a").test("a")).toBe(true);
    expect(compilePattern("(?:){0,1000000000}a").test("b")).toBe(false);
  });
});
