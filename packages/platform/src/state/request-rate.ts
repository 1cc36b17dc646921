import { TransportError } from "@trellis/protocol";

/** Owners whose use is remembered; who is forgotten starts with a full allowance. */
const REMEMBERED = 20_000;

interface Allowance {
  left: number;
  at: number;
}

/**
 * How many requests an owner may make: so many a second, and twice as many at once after a pause. It is counted at each
 * replica alone; sharing it would cost a write for every request.
 */
export class RequestRate {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #allowances = new Map<string, Allowance>();

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Takes one request; throws `retry_later`, which runtimes repeat by themselves, when there is none left. */
  take(owner: string): void {
    const now = this.#now();
    const most = this.#perSecond * 2;
    const known = this.#allowances.get(owner);
    const left = known === undefined ? most : Math.min(most, known.left + ((now - known.at) / 1_000) * this.#perSecond);
    if (left < 1)
      throw new TransportError("retry_later", {
        message: `There were more than ${this.#perSecond} requests a second about the state of this user or device.`,
        hint: "Ask less often: watch instead of polling, and put what belongs together into one value.",
      });
    this.#allowances.delete(owner);
    this.#allowances.set(owner, { left: left - 1, at: now });
    const oldest = this.#allowances.size > REMEMBERED ? this.#allowances.keys().next().value : undefined;
    if (oldest !== undefined) this.#allowances.delete(oldest);
  }
}
