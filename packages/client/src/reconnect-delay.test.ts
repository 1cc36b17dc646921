import { expect, test } from "vitest";
import { pause, reconnectDelayMs } from "./reconnect-delay.ts";
import { renewAfterMs } from "./renewal.ts";

test("delays grow, are spread and never exceed five seconds", () => {
  expect(reconnectDelayMs(0, () => 0)).toBe(25);
  expect(reconnectDelayMs(0, () => 1)).toBe(50);
  expect(reconnectDelayMs(3, () => 1)).toBe(400);
  for (const attempt of [10, 100, 100_000]) {
    expect(reconnectDelayMs(attempt, () => 0)).toBe(2_500);
    expect(reconnectDelayMs(attempt, () => 1)).toBe(5_000);
  }
});

test("permissions are renewed between 70 and 80 % of their life", () => {
  expect(renewAfterMs(10_000, () => 0)).toBeCloseTo(8_000);
  expect(renewAfterMs(10_000, () => 1)).toBeCloseTo(7_000);
  expect(renewAfterMs(1e12, () => 0)).toBeLessThan(2 ** 31);
  // A short life leaves a second for the move, as far as half of it allows.
  expect(renewAfterMs(3_000, () => 0)).toBeCloseTo(2_000);
  expect(renewAfterMs(1_000, () => 0)).toBeCloseTo(500);
});

test("a pause ends with its signal", async () => {
  const abort = new AbortController();
  const waiting = pause(60_000, abort.signal);
  abort.abort();
  expect(await waiting).toBe(false);
  expect(await pause(60_000, abort.signal)).toBe(false);
  expect(await pause(1)).toBe(true);
});
