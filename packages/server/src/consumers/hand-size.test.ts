import { expect, test } from "vitest";
import { HandSize } from "./hand-size.ts";

function after(count: number, ms: number, size = new HandSize(256)): HandSize {
  for (let n = 0; n < count; n += 1) size.took(ms);
  return size;
}

test("nobody knows at first how long they take: one comes alone", () => {
  expect(new HandSize(256).room(0)).toBe(1);
  expect(new HandSize(256).room(1)).toBe(0);
});

test("quick ones are asked for without a limit", () => {
  expect(after(60, 0.1).room(200)).toBeGreaterThan(256);
});

test("of slow ones a quarter of a second is in hand, and more is asked for when half of it is done", () => {
  const size = after(200, 10);
  const all = size.room(0);
  expect(all).toBeGreaterThanOrEqual(24);
  expect(all).toBeLessThanOrEqual(25);
  expect(size.room(Math.ceil(all / 2) + 1)).toBe(0);
  expect(size.room(Math.floor(all / 2))).toBe(all - Math.floor(all / 2));
  expect(after(200, 5_000).room(1)).toBe(0);
});

test("one that took long among quick ones is forgotten soon", () => {
  const size = after(60, 0.1);
  size.took(60_000);
  expect(size.room(1)).toBeLessThan(16);
  expect(after(60, 0.1, size).room(200)).toBeGreaterThan(256);
});
