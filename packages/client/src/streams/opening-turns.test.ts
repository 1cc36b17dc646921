import { expect, test } from "vitest";
import { OpeningTurns } from "./opening-turns.ts";

const AT_ONCE = 64;

function many(turns: OpeningTurns, count: number, subject = "a") {
  const begun: number[] = [];
  const give = Array.from({ length: count }, (_, n) => turns.take(subject, () => void begun.push(n)));
  return { begun, give };
}

test("so many begin at once, each that is through lets the next one begin, in order", () => {
  const { begun, give } = many(new OpeningTurns(), AT_ONCE + 3);
  expect(begun).toHaveLength(AT_ONCE);
  give[5]?.();
  give[6]?.();
  expect(begun.slice(AT_ONCE)).toEqual([AT_ONCE, AT_ONCE + 1]);
});

test("a turn is given back once, and whoever leaves the queue never begins", () => {
  const { begun, give } = many(new OpeningTurns(), AT_ONCE + 3);
  give[AT_ONCE]?.();
  give[0]?.();
  give[0]?.();
  expect(begun.slice(AT_ONCE)).toEqual([AT_ONCE + 1]);
});

test("subjects do not wait for each other, and one that is through begins anew", () => {
  const turns = new OpeningTurns();
  const first = many(turns, AT_ONCE + 1);
  expect(many(turns, 1, "b").begun).toEqual([0]);
  for (const give of first.give) give();
  expect(first.begun).toHaveLength(AT_ONCE + 1);
  expect(many(turns, AT_ONCE).begun).toHaveLength(AT_ONCE);
});
