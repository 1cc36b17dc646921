import { expect, test } from "vitest";
import { ServerClock } from "./server-clock.ts";

test("ten minutes of skew are gone after one answer, and setting the system clock changes nothing", () => {
  let wall = 1_000_000;
  let monotonic = 50;
  const clock = new ServerClock(
    () => wall,
    () => monotonic,
  );
  expect(clock.nowMs()).toBe(1_000_000);
  // Asked at 50, answered at 70: the server said 1 600 000 about at 60.
  monotonic = 70;
  clock.correct(1_600_000, 50, 70);
  expect(clock.nowMs()).toBe(1_600_010);
  wall = 0;
  monotonic = 1_070;
  expect(clock.nowMs()).toBe(1_601_010);
  expect(clock.nowSeconds()).toBe(1_601);
});
