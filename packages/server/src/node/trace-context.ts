/// <reference types="node" />
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestSigner } from "@trellis/client/internal";
import { hasTrace, injectTrace } from "@trellis/telemetry";
import type { TracedWork } from "@trellis/telemetry";
import type { ServiceHost } from "../service.ts";

/**
 * Hands the trace of a request on to the calls its handler makes, also in a process without any OpenTelemetry SDK. With
 * one, the span of the call replaces what is written here.
 */
export function nodeTracing(): NonNullable<ServiceHost["tracing"]> {
  const active = new AsyncLocalStorage<TracedWork["context"]>();
  return {
    // Entering a context costs as much as a small handler; without a trace on either side there is nothing to hand on.
    runInside: (context, body) =>
      hasTrace(context) || active.getStore() !== undefined ? active.run(context, body) : body(),
    inject(headers) {
      const context = active.getStore();
      if (context !== undefined) injectTrace(headers, context);
    },
    signer: (inner): RequestSigner => ({
      sign(subject, payload, deadlineMs) {
        const headers = inner.sign(subject, payload, deadlineMs);
        const context = active.getStore();
        if (context !== undefined) injectTrace(headers, context);
        return headers;
      },
    }),
  };
}
