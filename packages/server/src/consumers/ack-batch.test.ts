import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AckBatch } from "./ack-batch.ts";

let said: string[];
const link = { publish: (subject: string) => void said.push(subject) };

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
});
afterEach(() => vi.useRealTimers());

function batch(out: number): AckBatch {
  return new AckBatch({ link, out, ackWaitMs: 1_000 });
}

test.each([1, 2, 7])("with %i out at a time nothing waits: the server has nothing else to give meanwhile", (out) => {
  batch(out).add("a");
  expect(said).toEqual(["a"]);
});

test("with many out they leave together, a quarter of them at a time", () => {
  const acks = batch(16);
  for (const reply of ["a", "b", "c"]) acks.add(reply);
  expect(said).toEqual([]);
  acks.add("d");
  expect(said).toEqual(["a", "b", "c", "d"]);
});

test("a few leave after a moment, in order and once", () => {
  const acks = batch(256);
  acks.add("a");
  acks.add("b");
  vi.advanceTimersByTime(1);
  expect(said).toEqual(["a", "b"]);
  acks.flush();
  vi.advanceTimersByTime(1_000);
  expect(said).toEqual(["a", "b"]);
});

test("what was kept longer than the ack wait is not said: another replica may have it", () => {
  const acks = batch(256);
  acks.add("a");
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1_001);
  acks.flush();
  expect(said).toEqual([]);
  vi.restoreAllMocks();
});
