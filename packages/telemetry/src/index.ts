export { extractTrace, hasTrace, injectTrace } from "./trace-headers.ts";
export type { TraceHeaderReader, TraceHeaderWriter } from "./trace-headers.ts";
export { startClientSpan, startServerSpan } from "./surface-span.ts";
export type { SurfaceSpan, TracedWork } from "./surface-span.ts";
