/** A handler this quick is over about when the claim of another job would be stored. */
const QUICK_MS = 10;
/** Enough that the round trip of a claim is never waited for, however many are stored at once. */
const AHEAD_OF_EACH = 3;
const MOST_AHEAD = 128;
/** Then a job that was claimed ahead is better off with another worker. */
const LONGEST_WAIT_MS = 1_000;
/** How much of what is usual the newest handler decides. */
const NEWEST = 1 / 8;

/**
 * The places of a worker's handlers: `concurrency` of them, whatever else is under way.
 *
 * While handlers are quick, jobs are claimed ahead; otherwise every place would be empty for the round trip of a claim after each
 * job. When one that was claimed finds no place in time, nothing is claimed ahead until handlers are quick again.
 */
export class HandlerPlaces {
  readonly #concurrency: number;
  readonly #waiting = new Map<object, (placed: boolean) => void>();
  #taken = 0;
  #usualMs = Number.POSITIVE_INFINITY;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** So many jobs may be claimed before there is a place for them. */
  get ahead(): number {
    return this.#usualMs <= QUICK_MS ? Math.min(AHEAD_OF_EACH * this.#concurrency, MOST_AHEAD) : 0;
  }

  /** A place, or `false`: none came in time, or it is not wanted any more. */
  take(who: object): boolean | Promise<boolean> {
    if (this.#taken < this.#concurrency) {
      this.#taken += 1;
      return true;
    }
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#usualMs = Number.POSITIVE_INFINITY;
        this.withdraw(who);
      }, LONGEST_WAIT_MS);
      this.#waiting.set(who, (placed) => {
        clearTimeout(late);
        resolve(placed);
      });
    });
  }

  /** Waits no longer. */
  withdraw(who: object): void {
    this.#waiting.get(who)?.(false);
    this.#waiting.delete(who);
  }

  /** A handler is through; whoever waits longest is next. */
  give(handlerMs: number): void {
    this.#usualMs = Number.isFinite(this.#usualMs) ? this.#usualMs + (handlerMs - this.#usualMs) * NEWEST : handlerMs;
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    const [who, placed] = next;
    this.#waiting.delete(who);
    placed(true);
  }
}
