import { expect, test } from "vitest";
import { RequestRate } from "./request-rate.ts";

function taken(rate: RequestRate, owner: string, times: number): number {
  for (let count = 0; count < times; count += 1) {
    try {
      rate.take(owner);
    } catch {
      return count;
    }
  }
  return times;
}

test("twice as many as a second's at once, and then so many a second, each owner for itself", () => {
  let now = 0;
  const rate = new RequestRate(10, () => now);
  expect(taken(rate, "ada", 100)).toBe(20);
  expect(taken(rate, "bea", 100)).toBe(20);
  now += 500;
  expect(taken(rate, "ada", 100)).toBe(5);
  now += 60_000;
  expect(taken(rate, "ada", 100)).toBe(20);
});

test("one who asks too often says when to ask again", () => {
  const rate = new RequestRate(1, () => 0);
  taken(rate, "ada", 2);
  expect(() => rate.take("ada")).toThrow(/more than 1 request/);
  expect(() => rate.take("ada")).toThrow(expect.objectContaining({ code: "retry_later" }));
});
