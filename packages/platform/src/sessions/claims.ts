import type { NatsConnection } from "@nats-io/nats-core";
import { LIMITS } from "@trellis/protocol";
import { ensureStream, headersOf, isConflict, publishStored } from "../registry/jetstream-api.ts";
import type { WantedStream } from "../registry/jetstream-api.ts";
import { latestOnlyStream } from "../registry/latest-only-stream.ts";

/** Request ids that were used up, one message each; a request too old to be fresh needs no claim any more. */
export const CLAIMS_STREAM = "CLAIMS";

/** Longer than a request stays fresh on either side of the clock. */
const CLAIM_TTL_SECONDS = 2 * LIMITS.freshnessSeconds + 5;

const TIMEOUT_MS = 2_000;

/** Claims of requests that are to be accepted once, by whichever replica comes first. */
export interface RequestClaims {
  /** True for the first who asks. Throws when the store does not answer: then nobody may go on. */
  claim(sessionKey: string, requestId: string): Promise<boolean>;
}

export function claimsStream(replicas: 1 | 3): WantedStream {
  const about = { name: CLAIMS_STREAM, description: "Requests that are accepted once", subjects: ["claims.*.*.*"] };
  return latestOnlyStream(about, replicas);
}

export async function openRequestClaims(nc: NatsConnection, replicas: 1 | 3): Promise<RequestClaims> {
  await ensureStream(nc, claimsStream(replicas));
  return {
    async claim(sessionKey, requestId) {
      try {
        // A request id is "<nonce>.<counter>": two tokens, checked before it comes here.
        await publishStored(nc, `claims.${sessionKey}.${requestId}`, new Uint8Array(), {
          headers: headersOf({ "Nats-TTL": `${CLAIM_TTL_SECONDS}s`, "Nats-Expected-Last-Subject-Sequence": "0" }),
          timeoutMs: TIMEOUT_MS,
        });
        return true;
      } catch (error) {
        if (isConflict(error)) return false;
        throw error;
      }
    },
  };
}
