/** As much is in hand as is handled in this time. */
const MOMENT_MS = 250;
/** One long request saves the pause between two; how many are out is the consumer's own limit. */
const NO_LIMIT = 4_096;
const WEIGHT = 1 / 8;

/**
 * How many events a group in strict order has in hand. Each that is out when its replica ends counts a delivery, also those
 * that waited for their turn: so slow handlers have one or two, and only quick ones as many as may be out.
 */
export class HandSize {
  readonly #out: number;
  #averageMs = MOMENT_MS;

  constructor(out: number) {
    this.#out = out;
  }

  /** An event took this long. */
  took(ms: number): void {
    this.#averageMs += (Math.min(ms, MOMENT_MS) - this.#averageMs) * WEIGHT;
  }

  /** How many more to ask for: none until half of them are handled, since each request costs something. */
  room(held: number): number {
    const size = Math.floor(MOMENT_MS / this.#averageMs);
    if (size >= this.#out) return NO_LIMIT;
    const room = size - held;
    return room * 2 >= size ? room : 0;
  }
}
