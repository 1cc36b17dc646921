import { randomToken } from "@trellis/protocol";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TokenMap } from "./token-map.ts";

test("holds what a Map would, whatever comes and goes in whatever order", () => {
  // Few ends, so that many keys meet in one place, and some that are shorter than what is looked at.
  const key = fc.constantFrom("", "a", "ab", "1abc", "2abc", "3abc", "aabd", "babd", "xyz");
  const command = fc.record({ key, value: fc.option(fc.integer(), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const map = new TokenMap<number>();
      const model = new Map<string, number>();
      for (const { key: at, value } of commands) {
        if (value === undefined) expect(map.delete(at)).toBe(model.delete(at));
        else {
          map.set(at, value);
          model.set(at, value);
        }
        expect(map.size).toBe(model.size);
        expect(map.get(at)).toBe(model.get(at));
      }
      expect([...map.values()].sort()).toEqual([...model.values()].sort());
    }),
  );
});

test("grows with what it holds", () => {
  const map = new TokenMap<number>();
  const keys = Array.from({ length: 5_000 }, () => randomToken(12));
  for (const [at, key] of keys.entries()) map.set(key, at);
  expect(map.size).toBe(5_000);
  expect(keys.map((key) => map.get(key))).toEqual(keys.map((_, at) => at));
  for (const key of keys.slice(100)) map.delete(key);
  expect([...map.values()].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at));
});
