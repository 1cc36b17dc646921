import type { StoredMessage } from "../jetstream/stored-message.ts";

/** One thing a watch has to tell. */
export type PendingChange =
  | { readonly type: "stored"; readonly key: string; readonly message: StoredMessage }
  /** Stored as well, and too large to be held until somebody reads it. */
  | { readonly type: "large"; readonly key: string }
  | { readonly type: "gone"; readonly key: string; readonly revision: number }
  | { readonly type: "ready" };

/**
 * What a watch has heard and its reader has not yet taken: per key only the last, so that a slow reader costs no more
 * memory than the keys that changed. What was there at the beginning is told before `ready`, also when it changed
 * meanwhile: a reader may conclude that what it was not told by then is not there.
 */
export class LatestChanges {
  /** In the order of telling; `ready` has a name no key can have. */
  readonly #pending = new Map<string, PendingChange>();
  readonly #initial: boolean;
  /** Keys that are still to be told before `ready`. */
  #beforeReady: ReadonlySet<string> = new Set();
  #isReady = false;
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(initial: boolean) {
    this.#initial = initial;
  }

  add(change: Extract<PendingChange, { readonly key: string }>): void {
    this.#push(change.key, change);
  }

  gone(key: string, revision: number): void {
    this.#push(key, { type: "gone", key, revision });
  }

  /** The first reading is complete. */
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#beforeReady = new Set(this.#pending.keys());
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
        if (change.type === "ready") this.#beforeReady = new Set();
        return change;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #push(key: string, change: PendingChange): void {
    if (!this.#isReady && !this.#initial) return;
    // A key that is waiting keeps its place when it is set; deleted first it goes to the end.
    if (!this.#beforeReady.has(key)) this.#pending.delete(key);
    this.#pending.set(key, change);
    this.#wake?.();
  }
}

const READY = " ";
