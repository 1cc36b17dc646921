import type { NatsConnection } from "@nats-io/nats-core";
import { pause } from "@trellis/client/internal";
import type { Log } from "./log.ts";
import { ensureStream } from "./registry/jetstream-api.ts";
import type { WantedStream } from "./registry/jetstream-api.ts";

/**
 * Makes the control plane's own streams anew when somebody has deleted them: what was in them is lost, but logins, state and leases
 * work again. Every replica looks, because without leases none of them is the one that reconciles.
 */
export function keepStreams(options: {
  readonly nc: NatsConnection;
  readonly streams: () => readonly WantedStream[];
  readonly everyMs: number;
  readonly log: Log;
}): { close(): void } {
  const { nc, streams, everyMs, log } = options;
  const closing = new AbortController();
  void (async () => {
    while (await pause(everyMs, closing.signal)) {
      try {
        for (const stream of streams()) await ensureStream(nc, stream);
      } catch (error) {
        log.debug("the control plane's own streams cannot be looked at", {
          error: error instanceof Error ? error.message : String(error),
        });
      }
    }
  })();
  return { close: () => closing.abort() };
}
