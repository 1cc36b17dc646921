/// <reference types="node" />
import type { AuthCrypto } from "@trellis/auth";
import { verifySignature } from "@trellis/auth/node";

/**
 * Verifies in the thread pool, on as many cores as it has threads.
 *
 * The pool hands its results over one by one, and each would run its own continuations and write its own answer to the
 * socket. Those of one turn of the event loop go on together instead: one write, and no wait added.
 */
export function verifyInPool(): AuthCrypto["verify"] {
  let finished: (() => void)[] = [];
  const endOfTurn = (): Promise<void> =>
    new Promise((resolve) => {
      if (finished.length === 0) {
        setImmediate(() => {
          const ready = finished;
          finished = [];
          for (const go of ready) go();
        });
      }
      finished.push(resolve);
    });
  return async (sessionKey, digest, signature) => {
    const valid = await verifySignature(sessionKey, digest, signature);
    await endOfTurn();
    return valid;
  };
}
