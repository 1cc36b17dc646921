/// <reference types="node" />
import { availableParallelism } from "node:os";
import type { AuthCrypto } from "@trellis/auth";
import { nodeSha256, verifySignature, verifySignatureSync } from "@trellis/auth/node";

/** Results that the event loop's own turn may take on before it looks at the network again: about half a millisecond. */
const OWN_SHARE = 4;

/** What the thread pool has open at a time: enough that no thread waits for its next piece, no more than it has threads for. */
function poolShare(cores: number): number {
  return Math.min(8, Math.max(2, 2 * (cores - 1)));
}

interface Job {
  readonly sessionKey: string;
  readonly digest: Uint8Array;
  readonly signature: string;
  readonly resolve: (valid: boolean) => void;
}

/**
 * Verifies on every core there is, this thread's included.
 *
 * 1. The thread pool is kept busy but not flooded: handing it a piece while its threads sleep costs a wake-up that is
 *    as dear as a third of the piece.
 * 2. What it has no room for, the event loop does itself, a few pieces each turn, because it would only wait.
 * 3. The results of one turn are handed over together, so that their answers leave in one write.
 */
export class SharedVerification {
  readonly #poolShare: number;
  #inPool = 0;
  #waiting: Job[] = [];
  #head = 0;
  #done: (() => void)[] = [];
  #turnPlanned = false;

  constructor(cores: number = availableParallelism()) {
    this.#poolShare = poolShare(cores);
  }

  verify(sessionKey: string, digest: Uint8Array, signature: string): Promise<boolean> {
    return new Promise((resolve) => {
      const job: Job = { sessionKey, digest, signature, resolve };
      if (this.#inPool < this.#poolShare) return this.#handOver(job);
      this.#waiting.push(job);
      this.#planTurn();
    });
  }

  #handOver({ sessionKey, digest, signature, resolve }: Job): void {
    this.#inPool += 1;
    void verifySignature(sessionKey, digest, signature).then((valid) => {
      this.#inPool -= 1;
      this.#done.push(() => resolve(valid));
      const next = this.#next();
      if (next !== undefined) this.#handOver(next);
      this.#planTurn();
    });
  }

  #next(): Job | undefined {
    const job = this.#waiting[this.#head];
    if (job === undefined) return undefined;
    this.#head += 1;
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
    return job;
  }

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnPlanned = false;
    for (let count = 0; count < OWN_SHARE; count += 1) {
      const job = this.#next();
      if (job === undefined) break;
      const valid = verifySignatureSync(job.sessionKey, job.digest, job.signature);
      this.#done.push(() => job.resolve(valid));
    }
    const done = this.#done;
    this.#done = [];
    for (const settle of done) settle();
    if (this.#head < this.#waiting.length) this.#planTurn();
  }
}

const shared = new SharedVerification();

/** The cryptography of services on Node: native, and on all cores. */
export const serviceCrypto: AuthCrypto = {
  sha256: nodeSha256,
  verify: (sessionKey, digest, signature) => shared.verify(sessionKey, digest, signature),
};
