import { expect, test } from "vitest";
import { Admission } from "./admission.ts";

test("runs up to the limit, queues in order, refuses the rest", () => {
  const ran: number[] = [];
  const admission = new Admission<number>({ maxRunning: 2, maxQueued: 3 }, (item) => ran.push(item));
  expect([1, 2, 3, 4, 5, 6].map((item) => admission.offer(item))).toEqual([true, true, true, true, true, false]);
  expect(ran).toEqual([1, 2]);
  admission.release();
  expect(ran).toEqual([1, 2, 3]);
  expect(admission.offer(7)).toBe(true);
  expect(admission.offer(8)).toBe(false);
  for (let turn = 0; turn < 5; turn += 1) admission.release();
  expect(ran).toEqual([1, 2, 3, 4, 5, 7]);
  expect(admission.running).toBe(0);
  expect(admission.queued).toBe(0);
});

test("a long queue is given back", () => {
  const ran: number[] = [];
  const admission = new Admission<number>({ maxRunning: 1, maxQueued: 500 }, (item) => ran.push(item));
  for (let item = 0; item < 1_000; item += 1) {
    admission.offer(item);
    if (item % 2 === 1) admission.release();
  }
  while (admission.running > 0) admission.release();
  expect(ran).toEqual([...ran].sort((a, b) => a - b));
  expect(admission.queued).toBe(0);
});
