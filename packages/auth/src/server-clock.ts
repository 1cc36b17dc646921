/**
 * The platform's time, told by a participant whose own clock may be minutes off. It runs on the monotonic clock from
 * the last correction, so setting the system clock does not move it.
 */
export class ServerClock {
  readonly #monotonic: () => number;
  #base: number;

  constructor(wall: () => number = Date.now, monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
    this.#base = wall() - monotonic();
  }

  /** Takes the server's time from an answer: it was true about half-way between asking and hearing. */
  correct(serverNow: number, askedAt: number, heardAt: number): void {
    this.#base = serverNow - (askedAt + heardAt) / 2;
  }

  /** What `correct` wants as `askedAt` and `heardAt`. */
  instant(): number {
    return this.#monotonic();
  }

  nowMs(): number {
    return this.#base + this.#monotonic();
  }

  /** The time as it is signed. */
  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1_000);
  }
}
