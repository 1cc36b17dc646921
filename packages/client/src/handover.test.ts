import { expect, test } from "vitest";
import { Handover } from "./handover.ts";
import type { LinkMessage } from "./link.ts";

// A handover only compares wires by identity.
const [from, to] = [{}, {}] as unknown as [
  ConstructorParameters<typeof Handover>[0],
  ConstructorParameters<typeof Handover>[1],
];
const message = (text: string, subject = "s"): LinkMessage => ({ subject, data: new TextEncoder().encode(text) });
const texts = (messages: readonly LinkMessage[]): string[] =>
  messages.map(({ data }) => new TextDecoder().decode(data));

test("what both heard is delivered once, what either heard alone is delivered", () => {
  const handover = new Handover(from, to);
  expect(handover.take(from, message("only old"))).toBe(true);
  expect(handover.take(from, message("both"))).toBe(true);
  expect(handover.take(to, message("both"))).toBe(false);
  expect(handover.take(to, message("only new"))).toBe(false);
  expect(texts(handover.finish())).toEqual(["only new"]);
});

test("two equal messages stay two", () => {
  const handover = new Handover(from, to);
  for (const wire of [from, from, to, to, to]) handover.take(wire, message("same"));
  expect(texts(handover.finish())).toEqual(["same"]);
});

test("copies that are late on the new connection are struck, and only they", () => {
  const handover = new Handover(from, to);
  handover.take(from, message("late"));
  expect(handover.finish()).toEqual([]);
  expect(handover.take(to, message("late"))).toBe(false);
  expect(handover.take(to, message("late"))).toBe(true);
  expect(handover.take(to, message("fresh"))).toBe(true);
});

test("equal bytes on another subject are another message", () => {
  const handover = new Handover(from, to);
  handover.take(from, message("x", "a"));
  handover.take(to, message("x", "b"));
  expect(handover.finish()).toHaveLength(1);
});
