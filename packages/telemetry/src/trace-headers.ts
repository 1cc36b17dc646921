import { createTraceState, isSpanContextValid, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, SpanContext } from "@opentelemetry/api";

/**
 * W3C Trace Context over message headers, written and read here rather than by a registered propagator: a process
 * without any SDK must still hand on the trace it was given.
 */
export interface TraceHeaderWriter {
  set(name: string, value: string): void;
}

/** Reads a header: its value, or nothing (`undefined` or an empty text) when it is absent. */
export interface TraceHeaderReader {
  get(name: string): string | undefined;
}

const TRACEPARENT = "traceparent";
const TRACESTATE = "tracestate";
/** The recommendation lets a participant drop a longer one. */
const TRACESTATE_LIMIT = 512;

/** Whether a context belongs to a trace. */
export function hasTrace(context: Context): boolean {
  return trace.getSpanContext(context) !== undefined;
}

/** Writes the trace of this context, if it has one. */
export function injectTrace(headers: TraceHeaderWriter, context: Context): void {
  const spanContext = trace.getSpanContext(context);
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return;
  headers.set(TRACEPARENT, formatTraceparent(spanContext));
  const state = spanContext.traceState?.serialize();
  if (state !== undefined && state !== "" && state.length <= TRACESTATE_LIMIT) headers.set(TRACESTATE, state);
}

/** The context a message came from: `base` itself when it carries no trace or none that can be read. */
export function extractTrace(headers: TraceHeaderReader | undefined, base: Context = ROOT_CONTEXT): Context {
  const traceparent = headers?.get(TRACEPARENT);
  if (headers === undefined || traceparent === undefined || traceparent === "") return base;
  const spanContext = parseTraceparent(traceparent);
  if (spanContext === undefined) return base;
  const state = headers.get(TRACESTATE);
  if (state === undefined || state === "" || state.length > TRACESTATE_LIMIT) {
    return trace.setSpanContext(base, spanContext);
  }
  return trace.setSpanContext(base, { ...spanContext, traceState: createTraceState(state) });
}

function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
}

/** Version 00 has exactly these parts; a later version may add more behind another dash. */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function parseTraceparent(text: string): SpanContext | undefined {
  if (text.length > TRACESTATE_LIMIT) return undefined;
  const [, version, traceId, spanId, flags, more] = FORM.exec(text) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  // Only the sampled bit has a meaning we know.
  const spanContext: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}
