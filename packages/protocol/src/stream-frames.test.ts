import { streamControlSubject } from "@trellis/contracts";
import { describe, expect, test } from "vitest";
import {
  boundGrant,
  encodeStreamControl,
  encodeStreamFrame,
  isControlOf,
  LIMITS,
  parseStreamControl,
  parseStreamFrame,
} from "./index.ts";
import type { StreamControl, StreamFrame } from "./index.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const control = streamControlSubject("feeds.v1.Orders.Live", "orders", "replica1", "stream1");

const frames: readonly StreamFrame[] = [
  { type: "ready", control, credits: LIMITS.streamCredits },
  { type: "frame", seq: 1, data: { any: ["json", null] } },
  { type: "frame", seq: 2, data: null, cursor: "after-2" },
  { type: "heartbeat", seq: 0 },
  { type: "end", seq: 2 },
  { type: "error", seq: 2, error: { id: "e", type: "T", message: "m", context: { a: 1 } } },
];
const controls: readonly StreamControl[] = [
  { type: "credits", upTo: 128 },
  { type: "heartbeat", seq: 5 },
  { type: "cancel" },
];

test.each(frames)("round trip of $type", (frame) => {
  expect(parseStreamFrame(encodeStreamFrame(frame))).toEqual(frame);
});

test.each(controls)("round trip of the control $type", (one) => {
  expect(parseStreamControl(encodeStreamControl(one))).toEqual(one);
});

test("unknown members are dropped", () => {
  expect(parseStreamFrame(bytes({ type: "end", seq: 1, later: true }))).toEqual({ type: "end", seq: 1 });
  expect(parseStreamControl(bytes({ type: "cancel", later: true }))).toEqual({ type: "cancel" });
});

describe("anything else is no frame", () => {
  test.each([
    null,
    [],
    "end",
    {},
    { type: "later" },
    { type: "ready", control },
    { type: "ready", control: "feeds.v1.>", credits: 1 },
    { type: "ready", control: "a b.c", credits: 1 },
    { type: "ready", control, credits: -1 },
    { type: "ready", control, credits: LIMITS.maxStreamCredits + 1 },
    { type: "frame", seq: 0, data: 1 },
    { type: "frame", seq: 1.5, data: 1 },
    { type: "frame", seq: "1", data: 1 },
    { type: "frame", seq: 1 },
    { type: "frame", seq: 1, data: 1, cursor: 5 },
    { type: "frame", seq: 1, data: 1, cursor: "x".repeat(LIMITS.cursorBytes + 1) },
    { type: "heartbeat" },
    { type: "end", seq: -1 },
    { type: "error", seq: 1 },
    { type: "error", seq: 1, error: { id: "e" } },
  ])("%j", (value) => {
    expect(parseStreamFrame(bytes(value))).toBeUndefined();
  });

  test.each([
    null,
    {},
    { type: "credits" },
    { type: "credits", upTo: -1 },
    { type: "heartbeat", seq: "1" },
    { type: "frame", seq: 1, data: 1 },
  ])("as control %j", (value) => {
    expect(parseStreamControl(bytes(value))).toBeUndefined();
  });

  test("what is not UTF-8, not JSON or too large", () => {
    expect(parseStreamFrame(new Uint8Array([0xff]))).toBeUndefined();
    expect(parseStreamControl(new Uint8Array())).toBeUndefined();
    expect(parseStreamControl(bytes({ type: "cancel", pad: "x".repeat(LIMITS.controlBytes) }))).toBeUndefined();
  });
});

test("a reader writes only where streams of its surface have their control", () => {
  expect(isControlOf("feeds.v1.Orders.Live", control)).toBe(true);
  for (const wrong of [
    "rpc.v1.Secret",
    "feeds.v1.Orders.Live.control.stream.x",
    `${control}.more`,
    streamControlSubject("feeds.v1.Orders", "o", "r", "s"),
    "feeds.v1.Orders.Live.control.stream.r.s",
    "feeds.v1.Orders.Live.control.stream.o.*.x",
  ]) {
    expect(isControlOf("feeds.v1.Orders.Live", wrong), wrong).toBe(false);
  }
});

test("a grant is bounded", () => {
  expect(boundGrant(10, 0)).toBe(10);
  expect(boundGrant(Number.MAX_SAFE_INTEGER, 7)).toBe(7 + LIMITS.maxStreamCredits);
});
