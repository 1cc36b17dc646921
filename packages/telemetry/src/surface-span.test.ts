import { AsyncLocalStorage } from "node:async_hooks";
import { headers } from "@nats-io/nats-core";
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type {
  Attributes,
  Context,
  ContextManager,
  Span,
  SpanContext,
  SpanOptions,
  Tracer,
  TracerProvider,
} from "@opentelemetry/api";
import { afterEach, describe, expect, test } from "vitest";
import { startClientSpan, startServerSpan } from "./index.ts";

/** As much of an SDK as makes spans that can be looked at. */
class Recorded implements Span {
  static count = 0;
  readonly name: string;
  readonly options: SpanOptions;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes = {};
  readonly exceptions: unknown[] = [];
  status = SpanStatusCode.UNSET;
  ends = 0;
  readonly #spanId: string;
  constructor(name: string, options: SpanOptions, parent: SpanContext | undefined) {
    this.name = name;
    this.options = options;
    this.parent = parent;
    Recorded.count += 1;
    this.#spanId = Recorded.count.toString(16).padStart(16, "0");
  }
  spanContext(): SpanContext {
    return { traceId: this.parent?.traceId ?? "1".repeat(32), spanId: this.#spanId, traceFlags: 1 };
  }
  setAttribute(key: string, value: string): this {
    this.attributes[key] = value;
    return this;
  }
  setStatus(status: { code: SpanStatusCode }): this {
    this.status = status.code;
    return this;
  }
  recordException(exception: unknown): void {
    this.exceptions.push(exception);
  }
  end(): void {
    this.ends += 1;
  }
  isRecording(): boolean {
    return true;
  }
  setAttributes(): this {
    return this;
  }
  addEvent(): this {
    return this;
  }
  addLink(): this {
    return this;
  }
  addLinks(): this {
    return this;
  }
  updateName(): this {
    return this;
  }
}

function register(): Recorded[] {
  const spans: Recorded[] = [];
  const tracer: Tracer = {
    startSpan(name, options = {}, parent = ROOT_CONTEXT) {
      const span = new Recorded(name, options, trace.getSpanContext(parent));
      spans.push(span);
      return span;
    },
    startActiveSpan() {
      throw new Error("not used");
    },
  };
  const provider: TracerProvider = { getTracer: () => tracer };
  trace.setGlobalTracerProvider(provider);
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, body, thisArg, ...args) => storage.run(active, () => body.apply(thisArg, args)),
    bind: (_active, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
  return spans;
}

afterEach(() => {
  trace.disable();
  context.disable();
});

describe("with an SDK", () => {
  test("one call is a client span, a server span below it, and what the handler calls below that", async () => {
    const spans = register();
    const request = headers();
    const call = startClientSpan({ name: "Orders.Get", surface: "rpc", contractId: "orders@v1" }, request);
    const handle = startServerSpan({ name: "Orders.Get", surface: "rpc" }, request);
    const inner = headers();
    await handle.run(async () => {
      await Promise.resolve();
      startClientSpan({ name: "Orders.Placed", surface: "event" }, inner).end();
    });
    handle.end();
    call.end();
    const [client, server, event] = spans;
    expect(client).toMatchObject({
      name: "Orders.Get",
      options: { kind: SpanKind.CLIENT, attributes: { "rpc.method": "Orders.Get", "trellis.contract": "orders@v1" } },
    });
    expect(server).toMatchObject({
      parent: { spanId: client?.spanContext().spanId },
      options: { kind: SpanKind.SERVER },
    });
    expect(event).toMatchObject({
      parent: { spanId: server?.spanContext().spanId },
      options: { kind: SpanKind.PRODUCER },
    });
    expect(inner.get("traceparent")).toBe(`00-${"1".repeat(32)}-${event?.spanContext().spanId}-01`);
    expect(call.traceId).toBe("1".repeat(32));
    expect(spans.map((span) => span.ends)).toEqual([1, 1, 1]);
  });

  test("a failure is recorded once, by type and code", () => {
    const spans = register();
    const failure = Object.assign(new Error("late"), { type: "TransportError", code: "timeout" });
    const call = startClientSpan({ name: "Orders.Get", surface: "rpc" }, headers());
    call.end(failure);
    call.end();
    startServerSpan({ name: "Orders.Placed", surface: "event" }, undefined).end("text");
    expect(spans[0]).toMatchObject({
      attributes: { "error.type": "TransportError.timeout" },
      status: SpanStatusCode.ERROR,
      exceptions: [failure],
      ends: 1,
    });
    expect(spans[1]).toMatchObject({ attributes: { "error.type": "string" }, options: { kind: SpanKind.CONSUMER } });
  });
});

describe("without an SDK", () => {
  test("a trace passes through when its context is passed on", () => {
    const incoming = headers();
    incoming.set("traceparent", `00-${"a".repeat(32)}-${"b".repeat(16)}-01`);
    const handle = startServerSpan({ name: "Orders.Get", surface: "rpc" }, incoming);
    const outgoing = headers();
    startClientSpan({ name: "Billing.Charge", surface: "rpc" }, outgoing, handle.context).end();
    expect(handle.traceId).toBe("a".repeat(32));
    expect(outgoing.get("traceparent")).toBe(incoming.get("traceparent"));
    expect(handle.run(() => 5)).toBe(5);
    handle.end(new Error("ignored"));
  });

  test("a call without a trace writes no header", () => {
    const carrier = headers();
    startClientSpan({ name: "Orders.Get", surface: "rpc" }, carrier).end();
    expect(carrier.keys()).toEqual([]);
  });
});
