/** Frames that may be under way or unread at the same time, at most. */
const MAX_FRAMES = 4_096;
/** What they may weigh together; the window of a feed of large frames is short. */
const MAX_BYTES = 4 * 1024 * 1024;
const MIN_FRAMES = 2;
const GROWTH = 4;

/**
 * How far a sender may run ahead of its reader. It begins with what the sender offered and grows while the reader
 * keeps up, so that a fast feed is not held up by the way there and back and a slow reader holds little.
 */
export class CreditWindow {
  #size: number;
  #granted: number;
  #consumed = 0;
  #bytesPerFrame = 0;

  constructor(credits: number) {
    this.#size = Math.max(MIN_FRAMES, credits);
    this.#granted = credits;
  }

  received(bytes: number): void {
    // Quick to grow and slow to forget: it bounds memory.
    this.#bytesPerFrame = Math.max(bytes, this.#bytesPerFrame * 0.99);
  }

  /** One frame was read and this many wait; answers a new grant when it is time for one. */
  consumed(unread: number): number | undefined {
    this.#consumed += 1;
    if (this.#granted - this.#consumed > this.#size / 2) return undefined;
    if (unread <= this.#size / 4) this.#size *= GROWTH;
    this.#size = Math.min(this.#size, MAX_FRAMES, Math.max(MIN_FRAMES, Math.floor(MAX_BYTES / this.#bytesPerFrame)));
    const upTo = this.#consumed + this.#size;
    if (upTo <= this.#granted) return undefined;
    this.#granted = upTo;
    return upTo;
  }
}
