import type { MsgHdrs } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";

interface Waiting {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly onFailed: (error: unknown) => void;
}

/** Together at most this many; then they leave in one write. */
const BATCH = 64;
const BATCH_BYTES = 65_536;

/**
 * Lets messages that are made one right after the other leave together. A connection writes to its socket after every
 * turn of the microtask queue, and a generator yields one frame a turn: without this, each frame would be a write of
 * its own. The first message of a burst leaves at once; those behind it wait for the burst to end or to fill a batch.
 */
export class Outbox {
  readonly #link: Link;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  send(subject: string, data: Uint8Array, onFailed: (error: unknown) => void, headers?: MsgHdrs): void {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.flush();
      }, 0);
      this.#publish({ subject, data, headers, onFailed });
      return;
    }
    this.#waiting.push({ subject, data, headers, onFailed });
    this.#bytes += data.length;
    if (this.#waiting.length >= BATCH || this.#bytes >= BATCH_BYTES) this.flush();
  }

  /** Everything that waits leaves now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    for (const each of batch) this.#publish(each);
  }

  #publish({ subject, data, headers, onFailed }: Waiting): void {
    try {
      this.#link.publish(subject, data, headers === undefined ? undefined : { headers });
    } catch (error) {
      onFailed(error);
    }
  }
}
