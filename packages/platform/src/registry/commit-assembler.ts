import type { Envelope } from "./envelope.ts";

/** One record message as the follower received it. */
export interface IncomingRecord {
  readonly seq: number;
  readonly time: number;
  readonly table: string;
  readonly id: string;
  readonly envelope: Envelope;
}

/**
 * Puts the messages of an atomic batch together again, so that the view never shows half of one.
 *
 * 1. A record written alone is a commit of its own; the members of a batch are one commit.
 * 2. A member that is missing was written over by a later commit. What came of its batch may then only be shown
 *    together with that later commit, so everything is held until nothing is pending and shown as one.
 */
export class CommitAssembler {
  #held: IncomingRecord[] = [];
  #expected = 0;
  #incomplete = false;

  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** The commit that this message completes. `pending`: messages the stream still has for us. */
  push(record: IncomingRecord, pending: number): readonly IncomingRecord[] | undefined {
    const { tx, part, of } = record.envelope;
    const first = this.#held[0];
    if (!first && of === 1) return [record];
    if (!first) {
      this.#expected = of;
      if (part !== 1) this.#incomplete = true;
    } else if (first.envelope.tx !== tx) this.#incomplete = true;
    this.#held.push(record);

    if (!this.#incomplete) {
      if (this.#held.length === this.#expected) return this.release();
      if (part === of) this.#incomplete = true;
    }
    // `part === of`: never stop in the middle of the newest batch.
    return this.#incomplete && pending === 0 && part === of ? this.release() : undefined;
  }

  /** Everything held, as one commit. */
  release(): readonly IncomingRecord[] {
    const held = this.#held;
    this.#held = [];
    this.#incomplete = false;
    this.#expected = 0;
    return held;
  }
}
