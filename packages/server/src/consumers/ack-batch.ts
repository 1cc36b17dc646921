import type { Link } from "@trellis/client/internal";

/** As many at a time that a server that has more to give is never left waiting for acknowledgements. */
const SHARE_OF_OUT = 4;
const MOST_AT_ONCE = 64;
/** Nothing waits longer than this for others to leave with. */
const WITHIN_MS = 1;

const ACK = new TextEncoder().encode("+ACK");

export interface AckBatchOptions {
  readonly link: Pick<Link, "publish">;
  /** How many events the consumer lets out at a time. */
  readonly out: number;
  readonly ackWaitMs: number;
}

/**
 * Acknowledgements that leave together. Sent one by one, each wakes the server, which then sends one more event, which
 * wakes us: most of what an event costs on either side. In groups both work through many at a time.
 */
export class AckBatch {
  readonly #options: AckBatchOptions;
  readonly #atOnce: number;
  #replies: string[] = [];
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: AckBatchOptions) {
    this.#options = options;
    this.#atOnce = Math.min(MOST_AT_ONCE, Math.floor(options.out / SHARE_OF_OUT));
  }

  add(reply: string): void {
    if (this.#replies.length === 0) this.#since = performance.now();
    this.#replies.push(reply);
    if (this.#replies.length >= this.#atOnce) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), WITHIN_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const replies = this.#replies;
    this.#replies = [];
    // A handler that kept the event loop busy kept these too: by now another replica may have them.
    if (performance.now() - this.#since > this.#options.ackWaitMs) return;
    for (const reply of replies) {
      try {
        this.#options.link.publish(reply, ACK);
      } catch {
        // Unsaid, the event comes again when its ack wait is over.
      }
    }
  }
}
