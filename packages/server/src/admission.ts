/**
 * Lets at most so many items run at a time and keeps a short queue; what does not fit is refused at once, so that
 * a caller hears `overloaded` instead of waiting for a time-out.
 */
export class Admission<T> {
  readonly #maxRunning: number;
  readonly #maxQueued: number;
  readonly #run: (item: T) => void;
  #running = 0;
  #queue: T[] = [];
  #head = 0;

  constructor(limits: { readonly maxRunning: number; readonly maxQueued: number }, run: (item: T) => void) {
    this.#maxRunning = limits.maxRunning;
    this.#maxQueued = limits.maxQueued;
    this.#run = run;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#queue.length - this.#head;
  }

  /** Runs the item now or later; `false` says there is no room. Every item that was run must `release`. */
  offer(item: T): boolean {
    if (this.#running < this.#maxRunning) {
      this.#running += 1;
      this.#run(item);
      return true;
    }
    if (this.queued >= this.#maxQueued) return false;
    this.#queue.push(item);
    return true;
  }

  /** One item has ended; the next one in the queue starts. */
  release(): void {
    const next = this.#queue[this.#head];
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#head += 1;
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    this.#run(next);
  }
}
