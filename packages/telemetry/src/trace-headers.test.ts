import { headers } from "@nats-io/nats-core";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import { extractTrace, injectTrace } from "./index.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const sampled = `00-${traceId}-${spanId}-01`;

function carrying(traceparent: string, tracestate?: string) {
  const carrier = headers();
  carrier.set("traceparent", traceparent);
  if (tracestate !== undefined) carrier.set("tracestate", tracestate);
  return carrier;
}

test("a trace passes through a process that has no SDK, unchanged", () => {
  const out = headers();
  injectTrace(out, extractTrace(carrying(sampled, "vendor=1,other=2")));
  expect(out.get("traceparent")).toBe(sampled);
  expect(out.get("tracestate")).toBe("vendor=1,other=2");
  const unsampled = headers();
  injectTrace(unsampled, extractTrace(carrying(`00-${traceId}-${spanId}-00`)));
  expect(unsampled.get("traceparent")).toBe(`00-${traceId}-${spanId}-00`);
  expect(unsampled.has("tracestate")).toBe(false);
});

test("a later version is read by what this one knows", () => {
  expect(trace.getSpanContext(extractTrace(carrying(`cc-${traceId}-${spanId}-03-more`)))).toMatchObject({
    traceId,
    spanId,
    traceFlags: 1,
    isRemote: true,
  });
});

describe("what cannot be read starts no trace", () => {
  test.each([
    "",
    "nonsense",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}`,
    `${sampled}${"x".repeat(100_000)}`,
  ])("%s", (traceparent) => {
    expect(extractTrace({ get: (name) => (name === "traceparent" ? traceparent : undefined) })).toBe(ROOT_CONTEXT);
  });

  test("no headers", () => {
    expect(extractTrace(undefined)).toBe(ROOT_CONTEXT);
    const out = headers();
    injectTrace(out, ROOT_CONTEXT);
    expect(out.keys()).toEqual([]);
  });

  test("too long a state is dropped, the trace is kept", () => {
    const context = extractTrace(carrying(sampled, `a=${"x".repeat(600)}`));
    expect(trace.getSpanContext(context)?.traceState).toBeUndefined();
    expect(trace.getSpanContext(context)?.traceId).toBe(traceId);
  });
});
