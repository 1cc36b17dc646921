import { expect, test } from "vitest";
import { CreditWindow } from "./credit-window.ts";

/** Reads that many frames with nothing unread behind them; answers the grants. */
function read(window: CreditWindow, frames: number, bytes: number, unread = 0): number[] {
  const grants: number[] = [];
  for (let at = 0; at < frames; at += 1) {
    window.received(bytes);
    const upTo = window.consumed(unread);
    if (upTo !== undefined) grants.push(upTo);
  }
  return grants;
}

test("a reader that keeps up is sent ever more, up to the bound", () => {
  const grants = read(new CreditWindow(16), 20_000, 100);
  expect(grants[0]).toBe(8 + 64);
  const steps = grants.map((upTo, at) => upTo - (grants[at - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(4_096);
  // Far fewer grants than frames.
  expect(grants.length).toBeLessThan(30);
  expect(grants.toSorted((a, b) => a - b)).toEqual(grants);
});

test("a reader that falls behind is not sent more at a time", () => {
  const grants = read(new CreditWindow(16), 64, 100, 16);
  expect(grants).toEqual([24, 32, 40, 48, 56, 64, 72, 80]);
});

test("large frames make the window short", () => {
  const window = new CreditWindow(16);
  const grants = read(window, 200, 1024 * 1024);
  const last = grants.at(-1) ?? 0;
  expect(last - 200).toBeLessThanOrEqual(4);
});
