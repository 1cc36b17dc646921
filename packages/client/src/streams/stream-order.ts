export interface Numbered {
  readonly seq: number;
}

/** More frames out of order than this are not a detour of the network. */
const MAX_EARLY = 1_024;

/**
 * Puts the frames of one stream in order. While the sender moves between the servers of a cluster, some may overtake
 * others; a frame that came before is dropped, one that comes too early waits.
 */
export class StreamOrder<Frame extends Numbered> {
  #last: number;
  #early: Map<number, Frame> | undefined;

  /** Begins after this frame. */
  constructor(last = 0) {
    this.#last = last;
  }

  /** The last frame that came in order. */
  get last(): number {
    return this.#last;
  }

  /** Whether frames are missing between those that came. */
  get hasGap(): boolean {
    return this.#early !== undefined;
  }

  /** What can be handed on now, in order; false when too much is missing. */
  take(frame: Frame, hand: (frame: Frame) => void): boolean {
    if (frame.seq !== this.#last + 1) return frame.seq <= this.#last || this.#keep(frame);
    this.#last = frame.seq;
    hand(frame);
    for (let next = this.#next(); next !== undefined; next = this.#next()) hand(next);
    return true;
  }

  #keep(frame: Frame): boolean {
    this.#early ??= new Map();
    this.#early.set(frame.seq, frame);
    return this.#early.size <= MAX_EARLY;
  }

  #next(): Frame | undefined {
    const next = this.#early?.get(this.#last + 1);
    if (next === undefined || this.#early === undefined) return undefined;
    this.#early.delete(next.seq);
    if (this.#early.size === 0) this.#early = undefined;
    this.#last = next.seq;
    return next;
  }
}
