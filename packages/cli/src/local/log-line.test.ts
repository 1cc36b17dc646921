import { expect, test } from "vitest";
import { parseLogLine } from "./log-line.ts";

test("a line of the control plane", () => {
  const line = `{"level":40,"time":"2026-11-20T12:00:00.250Z","service":"trellis","deployment":"orders","problems":["x"],"msg":"it failed"}`;
  expect(parseLogLine("control-plane", line, 0)).toEqual({
    at: Date.parse("2026-11-20T12:00:00.250Z"),
    source: "control-plane",
    level: "warn",
    text: `it failed  deployment=orders  problems=["x"]`,
  });
});

test("a line of nats-server, in local time", () => {
  expect(parseLogLine("nats-n1", "[42] 2026/11/20 12:00:00.250123 [ERR] a port is taken", 0)).toEqual({
    at: Date.parse("2026-11-20T12:00:00.250"),
    source: "nats-n1",
    level: "error",
    text: "a port is taken",
  });
});

test("any other line stays where it was written", () => {
  expect(parseLogLine("nats-n1", "goroutine 1 [running]:", 7)).toMatchObject({ at: 7, text: "goroutine 1 [running]:" });
  expect(parseLogLine("control-plane", "{ broken", 7)).toMatchObject({ at: 7, text: "{ broken" });
  expect(parseLogLine("nats-n1", "  ", 7)).toBeUndefined();
});
