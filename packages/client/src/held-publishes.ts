import type { MsgHdrs } from "@nats-io/nats-core";

/** What is published while there is no connection waits here, up to both of these, and is sent on reconnection. */
export const HELD_PUBLISHES = {
  /** A blip at full speed; a longer outage must be felt by whoever publishes. */
  messages: 4_096,
  /** Bounds memory: answers of a service may be large. */
  bytes: 4 * 1024 * 1024,
} as const;

export interface HeldPublish {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly reply: string | undefined;
}

/** A bounded queue of publishes in their order. */
export class HeldPublishes {
  #queue: HeldPublish[] = [];
  #bytes = 0;

  /** False when the bound is reached: the message was not taken. */
  hold(message: HeldPublish): boolean {
    if (this.#queue.length >= HELD_PUBLISHES.messages || this.#bytes + message.data.length > HELD_PUBLISHES.bytes) {
      return false;
    }
    this.#queue.push(message);
    this.#bytes += message.data.length;
    return true;
  }

  /** Everything held, oldest first; the queue is empty afterwards. */
  take(): readonly HeldPublish[] {
    const held = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    return held;
  }
}
