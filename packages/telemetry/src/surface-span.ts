import { context as contexts, ProxyTracerProvider, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, Span, Tracer } from "@opentelemetry/api";
import { extractTrace, injectTrace } from "./trace-headers.ts";
import type { TraceHeaderReader, TraceHeaderWriter } from "./trace-headers.ts";

/** What a span is about. Few distinct values only: spans are counted and grouped by them. */
export interface SurfaceSpan {
  /** The logical name: `Orders.Get`. */
  readonly name: string;
  readonly surface: "rpc" | "operation" | "event" | "feed" | "job" | "transfer";
  /** The contract that owns the surface: `orders@v1`. */
  readonly contractId?: string;
}

/** A span under way, and the context that what belongs to it runs in. */
export interface TracedWork {
  /** Pass it on to calls made inside: without a context manager nothing else carries it. */
  readonly context: Context;
  /** The trace id, for logs; `undefined` without a trace. */
  readonly traceId: string | undefined;
  /** Runs a function with this context active. */
  run<T>(body: () => T): T;
  /** Ends the span; with an error, as failed. Calling it again does nothing. */
  end(error?: unknown): void;
}

const TRACER_NAME = "trellis";
/** What every proxy stands before until an SDK is registered. */
const NO_SDK = new ProxyTracerProvider().getDelegate();

/** Starts the span of asking or publishing, and writes its trace into the headers of the message. */
export function startClientSpan(
  span: SurfaceSpan,
  headers: TraceHeaderWriter,
  parent: Context = contexts.active(),
): TracedWork {
  const tracer = registeredTracer();
  if (tracer === undefined) {
    injectTrace(headers, parent);
    return new Untraced(parent);
  }
  const kind = span.surface === "event" || span.surface === "job" ? SpanKind.PRODUCER : SpanKind.CLIENT;
  const work = new Traced(startSpan(tracer, span, kind, parent), parent);
  injectTrace(headers, work.context);
  return work;
}

/** Starts the span of handling a message, as a child of the trace in its headers. */
export function startServerSpan(span: SurfaceSpan, headers: TraceHeaderReader | undefined): TracedWork {
  const parent = extractTrace(headers);
  const tracer = registeredTracer();
  if (tracer === undefined) return new Untraced(parent);
  const kind = span.surface === "event" || span.surface === "job" ? SpanKind.CONSUMER : SpanKind.SERVER;
  return new Traced(startSpan(tracer, span, kind, parent), parent);
}

/** Nothing when no SDK is registered: then a call costs no span and no attributes. */
function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  if (provider instanceof ProxyTracerProvider && provider.getDelegate() === NO_SDK) return undefined;
  return provider.getTracer(TRACER_NAME);
}

function startSpan(tracer: Tracer, span: SurfaceSpan, kind: SpanKind, parent: Context): Span {
  const attributes = {
    "rpc.system": "trellis",
    "rpc.method": span.name,
    "trellis.surface": span.surface,
    ...(span.contractId === undefined ? {} : { "trellis.contract": span.contractId }),
  };
  return tracer.startSpan(span.name, { kind, attributes }, parent);
}

class Traced implements TracedWork {
  readonly context: Context;
  readonly #span: Span;
  #ended = false;

  constructor(span: Span, parent: Context) {
    this.#span = span;
    this.context = trace.setSpan(parent, span);
  }

  get traceId(): string | undefined {
    return this.#span.spanContext().traceId;
  }

  run<T>(body: () => T): T {
    return contexts.with(this.context, body);
  }

  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error !== undefined) this.#fail(error);
    this.#span.end();
  }

  #fail(error: unknown): void {
    this.#span.setAttribute("error.type", errorType(error));
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
    if (error instanceof Error) this.#span.recordException(error);
  }
}

class Untraced implements TracedWork {
  readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  get traceId(): string | undefined {
    return trace.getSpanContext(this.context)?.traceId;
  }

  run<T>(body: () => T): T {
    return contexts.with(this.context, body);
  }

  end(): void {}
}

/** The `type` of a Trellis error and its `code`, or the name of any other. */
function errorType(error: unknown): string {
  if (typeof error !== "object" || error === null) return typeof error;
  const type = textMember(error, "type") ?? textMember(error, "name") ?? "Error";
  const detail = textMember(error, "code") ?? textMember(error, "reason");
  return detail === undefined ? type : `${type}.${detail}`;
}

function textMember(value: object, name: string): string | undefined {
  const member: unknown = Reflect.get(value, name);
  return typeof member === "string" ? member : undefined;
}
