import type { StoredMessage } from "../jetstream/stored-message.ts";

/** One thing a watch has to tell. */
export type PendingChange =
  | { readonly type: "stored"; readonly key: string; readonly message: StoredMessage }
  | { readonly type: "gone"; readonly key: string; readonly revision: number }
  | { readonly type: "ready" };

/**
 * What a watch has heard and its reader has not yet taken: per key only the last, so that a slow reader costs no more
 * memory than the keys that changed.
 */
export class LatestChanges {
  /** In the order of telling; `ready` has a name no key can have. */
  readonly #pending = new Map<string, PendingChange>();
  readonly #initial: boolean;
  #isReady = false;
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(initial: boolean) {
    this.#initial = initial;
  }

  add(key: string, message: StoredMessage): void {
    this.#push(key, { type: "stored", key, message });
  }

  gone(key: string, revision: number): void {
    this.#push(key, { type: "gone", key, revision });
  }

  /** The first reading is complete. */
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#push(READY, { type: "ready" });
  }

  fail(error: unknown): void {
    this.#failure = error;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The next one, or `undefined` at the end; throws what the watch failed with. */
  async next(): Promise<PendingChange | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      for (const [key, change] of this.#pending) {
        this.#pending.delete(key);
        return change;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #push(key: string, change: PendingChange): void {
    if (!this.#isReady && !this.#initial) return;
    this.#pending.delete(key);
    this.#pending.set(key, change);
    this.#wake?.();
  }
}

const READY = " ";
