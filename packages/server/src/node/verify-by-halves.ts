/// <reference types="node" />
import type { AuthCrypto } from "@trellis/auth";
import { verifySignatureSync } from "@trellis/auth/node";

/** Verifications between two looks at the event loop: 1 to 2 ms during which nothing else runs. */
const SLICE = 16;

interface Waiting {
  readonly sessionKey: string;
  readonly digest: Uint8Array;
  readonly signature: string;
  readonly resolve: (valid: boolean) => void;
}

/**
 * Verifies on the event loop, a few at a time.
 *
 * Where there are not more cores than busy processes, handing each signature to another thread and its verdict back
 * costs a quarter of the verification and wins nothing. A slice at a time, because answers of one slice leave in one
 * write while their callers already sign the next: all that came in at once would have everybody wait for everybody.
 */
export function verifyInSlices(): AuthCrypto["verify"] {
  const waiting: Waiting[] = [];
  const nextSlice = (): void => {
    const slice = waiting.splice(0, SLICE);
    if (waiting.length > 0) setImmediate(nextSlice);
    for (const { sessionKey, digest, signature, resolve } of slice) {
      resolve(verifySignatureSync(sessionKey, digest, signature));
    }
  };
  return (sessionKey, digest, signature) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(nextSlice);
      waiting.push({ sessionKey, digest, signature, resolve });
    });
}
