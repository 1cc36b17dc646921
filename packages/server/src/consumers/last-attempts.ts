import type { HeldEvent } from "./held-event.ts";

export interface LastAttemptsOptions {
  readonly maxDeliver: number;
  /** Nothing else is ever in hand beside it, over all replicas. */
  readonly strict: boolean;
  /** Handles it once more. */
  readonly attempt: (held: HeldEvent) => void;
  /** Gives it up: replicas died with it as often as allowed. */
  readonly giveUp: (held: HeldEvent) => void;
}

/**
 * Events that have been delivered as often as allowed. An event that kills the process which handles it takes the deliveries of all
 * that are in hand beside it along, so which of them is to blame shows only when each is handled alone, oldest first: the
 * process then dies with the oldest that is left. Of those delivered even more often only that one is given up, and the others
 * are handled. One process that dies gives up one event.
 */
export class LastAttempts {
  readonly #options: LastAttemptsOptions;
  readonly #waiting: HeldEvent[] = [];
  #alone: HeldEvent | undefined;
  #accused = false;

  constructor(options: LastAttemptsOptions) {
    this.#options = options;
  }

  /** Whether this delivery is one of the last. */
  concerns({ delivery }: HeldEvent): boolean {
    return delivery.deliveries >= this.#options.maxDeliver;
  }

  /** What comes now may have been in the hands of a replica that died. */
  beginAgain(): void {
    this.#accused = false;
  }

  /** It begins when it is alone; `next` says when to look. */
  add(held: HeldEvent): void {
    const older = this.#waiting.findLastIndex(({ delivery }) => delivery.sequence < held.delivery.sequence);
    this.#waiting.splice(older + 1, 0, held);
  }

  next(): void {
    if (this.#alone !== undefined) return;
    const held = this.#waiting.shift();
    if (held === undefined) return;
    this.#alone = held;
    const { maxDeliver, strict, attempt, giveUp } = this.#options;
    if (held.delivery.deliveries <= maxDeliver || (this.#accused && !strict)) return attempt(held);
    this.#accused = true;
    giveUp(held);
  }

  /** It is not in our hands any more. */
  remove(held: HeldEvent): void {
    if (this.#alone === held) this.#alone = undefined;
    else {
      const at = this.#waiting.indexOf(held);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }
}
