import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Bag } from "./bag.ts";

test("holds what was added and not deleted, whatever the order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 60 }), (commands) => {
      const things = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
      const bag = new Bag<(typeof things)[number]>();
      const model = new Set<(typeof things)[number]>();
      for (const [at, adds] of commands) {
        const thing = things[at];
        if (thing === undefined) continue;
        if (adds && !model.has(thing)) {
          bag.add(thing);
          model.add(thing);
        } else if (!adds) {
          bag.delete(thing);
          model.delete(thing);
        }
        expect(bag.size).toBe(model.size);
        expect(new Set(bag.all())).toEqual(model);
      }
    }),
  );
});
