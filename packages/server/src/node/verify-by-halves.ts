/// <reference types="node" />
import type { AuthCrypto } from "@trellis/auth";
import { verifySignatureSync } from "@trellis/auth/node";

/** Verifications begun between two looks at the event loop; half of them here, in 1 to 2 ms. */
const SLICE = 32;

interface Waiting {
  readonly sessionKey: string;
  readonly digest: Uint8Array;
  readonly signature: string;
  readonly resolve: (valid: boolean | Promise<boolean>) => void;
}

/**
 * Verifies every other signature on the event loop and the rest elsewhere.
 *
 * Handing a signature to another thread and its verdict back costs a quarter of the verification. With many cores that
 * is a bargain; with two, which callers and NATS keep busy too, the event loop does as much as its neighbour. It works
 * in slices, because answers of one slice leave in one write while their callers already sign the next: all that came
 * in at once would have everybody wait for everybody.
 */
export function verifyByHalves(elsewhere: AuthCrypto["verify"]): AuthCrypto["verify"] {
  const waiting: Waiting[] = [];
  const nextSlice = (): void => {
    const slice = waiting.splice(0, SLICE);
    if (waiting.length > 0) setImmediate(nextSlice);
    // The others start first, so that they are under way while this thread is busy.
    for (let at = 1; at < slice.length; at += 2) verifyWith(elsewhere, slice[at]);
    for (let at = 0; at < slice.length; at += 2) verifyWith(verifySignatureSync, slice[at]);
  };
  return (sessionKey, digest, signature) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(nextSlice);
      waiting.push({ sessionKey, digest, signature, resolve });
    });
}

function verifyWith(verify: AuthCrypto["verify"], one: Waiting | undefined): void {
  one?.resolve(verify(one.sessionKey, one.digest, one.signature));
}
