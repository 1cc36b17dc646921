/// <reference types="node" />
import type { AuthCrypto } from "@trellis/auth";
import { nodeSha256, verifySignature, verifySignatureSync } from "@trellis/auth/node";

let finished: (() => void)[] = [];

/**
 * The cryptography of services on Node: native, signatures verified in the thread pool.
 *
 * The pool hands its results over one by one, and each would run its own continuations and write its own answer to the
 * socket. Those of one turn of the event loop go on together instead: one write, and no wait added.
 */
export const serviceCrypto: AuthCrypto = {
  sha256: nodeSha256,
  async verify(sessionKey, digest, signature) {
    if (process.env.TRELLIS_TRY === "sync") return verifySignatureSync(sessionKey, digest, signature);
    const valid = await verifySignature(sessionKey, digest, signature);
    await endOfTurn();
    return valid;
  },
};

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (finished.length === 0) {
      setImmediate(() => {
        const ready = finished;
        finished = [];
        for (const go of ready) go();
      });
    }
    finished.push(resolve);
  });
}
