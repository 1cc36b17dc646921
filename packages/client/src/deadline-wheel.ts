/**
 * One timer for every waiting call. A timer per call costs more than the call itself at 50 000 calls a second, so
 * deadlines sit in a ring of slots, each a linked list threaded through the entries themselves: adding and removing
 * allocate nothing.
 */

/** How exact a deadline is. */
const TICK_MS = 20;
/** 512 slots of 20 ms hold ten seconds; longer deadlines stay in their slot for several rounds. */
const SLOTS = 512;
/** The timer outlives the last entry by this much, so calls made one after another do not start it again and again. */
const IDLE_TICKS = 50;
/**
 * A tick this late means the process did not run (a long computation, a sleeping laptop): answers may be waiting in the
 * socket, so they get one more tick to be read before anything is called late.
 */
const STALLED_MS = 500;

/** What a thing with a deadline extends. */
export class WheelEntry {
  expiresAt = 0;
  slot = -1;
  previous: WheelEntry | undefined = undefined;
  next: WheelEntry | undefined = undefined;
  /** Called once, when the deadline passed and the entry was not removed. */
  expire(): void {}
}

export class DeadlineWheel {
  readonly #now: () => number;
  readonly #slots: (WheelEntry | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  #size = 0;
  #idleTicks = 0;
  #doneTick = 0;
  #stallForgiven = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  add(entry: WheelEntry, timeoutMs: number): void {
    const now = this.#now();
    entry.expiresAt = now + timeoutMs;
    const slot = Math.ceil(entry.expiresAt / TICK_MS) % SLOTS;
    const head = this.#slots[slot];
    entry.slot = slot;
    entry.previous = undefined;
    entry.next = head;
    if (head !== undefined) head.previous = entry;
    this.#slots[slot] = entry;
    this.#size += 1;
    if (this.#timer === undefined) {
      this.#doneTick = Math.floor(now / TICK_MS);
      this.#idleTicks = 0;
      this.#timer = setInterval(() => this.tick(), TICK_MS);
    }
  }

  /** Removing twice is allowed: an answer and a cancellation may meet. */
  remove(entry: WheelEntry): void {
    if (entry.slot === -1) return;
    if (entry.previous === undefined) this.#slots[entry.slot] = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
    entry.slot = -1;
    entry.previous = undefined;
    entry.next = undefined;
    this.#size -= 1;
  }

  /** Ends the timer; entries still in the wheel never expire. */
  stop(): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#timer = undefined;
  }

  tick(): void {
    const now = this.#now();
    const nowTick = Math.floor(now / TICK_MS);
    if (this.#size === 0) {
      this.#doneTick = nowTick;
      this.#idleTicks += 1;
      if (this.#idleTicks > IDLE_TICKS) this.stop();
      return;
    }
    this.#idleTicks = 0;
    if ((nowTick - this.#doneTick) * TICK_MS > STALLED_MS && !this.#stallForgiven) {
      this.#stallForgiven = true;
      return;
    }
    this.#stallForgiven = false;
    const first = Math.max(this.#doneTick + 1, nowTick - SLOTS + 1);
    this.#doneTick = nowTick;
    for (let tick = first; tick <= nowTick; tick += 1) this.#expireSlot(tick % SLOTS, now);
  }

  #expireSlot(slot: number, now: number): void {
    let entry = this.#slots[slot];
    while (entry !== undefined) {
      // Read before expiring: an expired entry is unlinked, and its owner may add others.
      const next = entry.next;
      if (entry.expiresAt <= now) {
        this.remove(entry);
        entry.expire();
      }
      entry = next;
    }
  }
}
