import type { Link } from "@trellis/client/internal";

const NS_PER_MS = 1_000_000;
const encoder = new TextEncoder();
const ACK = encoder.encode("+ACK");
const WORKING = encoder.encode("+WPI");

/**
 * The work items of one operation that were handed to this replica.
 *
 * An acknowledgement says that nothing is left to do. Whoever sent an item after that was decided knew more, such as that a
 * signal has come for an operation at rest: such an item is given back, and somebody looks once more.
 */
export class OperationItems {
  readonly #link: Link;
  readonly #replies: string[];
  #settled = false;

  constructor(link: Link, reply: string) {
    this.#link = link;
    this.#replies = [reply];
  }

  /** How many have come. */
  get count(): number {
    return this.#replies.length;
  }

  add(reply: string): void {
    if (this.#settled) this.#say(reply, delayed(0));
    else this.#replies.push(reply);
  }

  /** Keeps them from others for another acknowledgement wait. */
  keep(): void {
    for (const reply of this.#replies) this.#say(reply, WORKING);
  }

  /** Nothing is left to do about those that had come when that was decided. */
  acknowledge(count: number): void {
    for (const [at, reply] of this.#replies.entries()) this.#say(reply, at < count ? ACK : delayed(0));
    this.#settled = true;
  }

  giveBack(delayMs: number): void {
    for (const reply of this.#replies) this.#say(reply, delayed(delayMs));
    this.#settled = true;
  }

  #say(reply: string, what: Uint8Array): void {
    try {
      this.#link.publish(reply, what);
    } catch {
      // Without a connection the item comes again, and the journal says what became of it.
    }
  }
}

/** Gives an item back for this long. */
export function delayed(delayMs: number): Uint8Array {
  return encoder.encode(delayMs <= 0 ? "-NAK" : `-NAK {"delay": ${Math.round(delayMs) * NS_PER_MS}}`);
}
