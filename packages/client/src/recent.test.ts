import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Recent } from "./recent.ts";

test("the last ones are remembered, and never more than twice as many", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }),
      (least, values) => {
        const recent = new Recent<number>(least);
        for (const value of values) recent.add(value);
        for (const value of values.slice(-least)) expect(recent.has(value)).toBe(true);
        const remembered = Array.from({ length: 41 }, (_, value) => value).filter((value) => recent.has(value));
        expect(remembered.length).toBeLessThanOrEqual(2 * least);
        for (const value of remembered) expect(values).toContain(value);
      },
    ),
  );
});
