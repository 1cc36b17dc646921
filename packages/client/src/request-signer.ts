import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { ServerClock, SessionKey } from "@trellis/auth";
import { encodeBase64url } from "@trellis/contracts";
import { boundDeadline, HEADERS, proofDigest, requestIds } from "@trellis/protocol";
import type { Sha256 } from "@trellis/protocol";

/** Makes the headers that prove who asks. */
export interface RequestSigner {
  /** Every call gives new headers with a new request id: a request that is sent again is signed again. */
  sign(subject: string, payload: Uint8Array, deadlineMs: number): MsgHdrs;
}

export interface RequestSignerOptions {
  readonly key: SessionKey;
  readonly clock: ServerClock;
  readonly sha256: Sha256;
}

export function createRequestSigner(options: RequestSignerOptions): RequestSigner {
  const { key, clock, sha256 } = options;
  const sessionKey = key.publicKey;
  const ids = requestIds();
  return {
    sign(subject, payload, deadlineMs) {
      const iat = clock.nowSeconds();
      const requestId = ids.next();
      const proof = key.sign(proofDigest({ sessionKey, subject, payload, iat, requestId }, sha256));
      // Written to the map itself: `set` looks through all names with and without case each time, and these are ours.
      const headers = new MsgHdrsImpl();
      const values = headers.headers;
      values.set(HEADERS.sessionKey, [sessionKey]);
      values.set(HEADERS.proof, [encodeBase64url(proof)]);
      values.set(HEADERS.iat, [String(iat)]);
      values.set(HEADERS.requestId, [requestId]);
      values.set(HEADERS.deadline, [String(boundDeadline(deadlineMs))]);
      return headers;
    },
  };
}
