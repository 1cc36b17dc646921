import canonicalize from "canonicalize";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, CanonicalError, decodeBase64url, encodeBase64url } from "./index.ts";
import type { Json } from "./index.ts";

describe("base64url", () => {
  test("agrees with Node and reads itself back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64url"));
        expect(decodeBase64url(text)).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  test.each(["A", "AA=", "AA==", "A+", "A/", "A A", "AB", "AAB", "é"])(
    "%j is refused: no value has two spellings",
    (text) => {
      expect(decodeBase64url(text)).toBeUndefined();
    },
  );
});

describe("canonicalJson", () => {
  test("agrees with an independent implementation", () => {
    const json = fc
      .jsonValue({ noUnicodeString: false })
      .filter((value) => !JSON.stringify(value).includes("-0") && !hasNegativeZero(value));
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(value as Json)).toBe(canonicalize(value));
      }),
      { numRuns: 500 },
    );
  });

  test("orders keys by UTF-16 units", () => {
    expect(canonicalJson({ "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, ö: 7 })).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    );
    expect(canonicalJson([333333333.3333333, 1e30, 4.5, 0.002, 1e-27])).toBe(
      "[333333333.3333333,1e+30,4.5,0.002,1e-27]",
    );
  });

  const deep = JSON.parse("[".repeat(10_000) + "]".repeat(10_000));
  test.each<[string, unknown, string, string]>([
    ["NaN", { a: [NaN] }, "not_finite", "/a/0"],
    ["infinity", Infinity, "not_finite", ""],
    ["negative zero", { "a/b": -0 }, "negative_zero", "/a~1b"],
    ["half a pair", "\ud800", "lone_surrogate", ""],
    ["half a pair in a key", { "\udc00": 1 }, "lone_surrogate", "/\udc00"],
    ["undefined", { a: undefined }, "not_json", "/a"],
    ["a date", new Date(0), "not_json", ""],
    ["a function", () => 1, "not_json", ""],
  ])("%s is refused", (_, value, code, path) => {
    expect(() => canonicalJson(value as Json)).toThrow(CanonicalError);
    expect(() => canonicalJson(value as Json)).toThrow(expect.objectContaining({ code, path }));
  });

  test("what is too deep is refused without a stack overflow", () => {
    expect(() => canonicalJson(deep)).toThrow(CanonicalError);
  });
});

function hasNegativeZero(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).some(hasNegativeZero);
  return Object.is(value, -0);
}
