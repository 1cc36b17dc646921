import { expect, test } from "vitest";
import { StreamOrder } from "./stream-order.ts";

const frame = (seq: number) => ({ seq });

function take(order: StreamOrder<{ seq: number }>, ...seqs: readonly number[]): number[] {
  const handed: number[] = [];
  for (const seq of seqs) order.take(frame(seq), (each) => handed.push(each.seq));
  return handed;
}

test("frames that overtake others are put back in order, repeated ones dropped", () => {
  const order = new StreamOrder<{ seq: number }>();
  expect(take(order, 1, 3, 4)).toEqual([1]);
  expect(order.hasGap).toBe(true);
  expect(take(order, 1, 2, 3)).toEqual([2, 3, 4]);
  expect(order.hasGap).toBe(false);
  expect(order.last).toBe(4);
});

test("what is missing for too long is too much", () => {
  const order = new StreamOrder<{ seq: number }>();
  for (let seq = 2; seq <= 1_025; seq += 1) expect(order.take(frame(seq), () => undefined)).toBe(true);
  expect(order.take(frame(1_026), () => undefined)).toBe(false);
});
