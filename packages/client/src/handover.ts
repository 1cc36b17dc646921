import type { LinkMessage } from "./link.ts";
import type { Wire } from "./nats-wire.ts";

/**
 * Moves one plain subscription from a connection to the next without losing or repeating a message.
 *
 * While both are subscribed most messages arrive twice. The old connection goes on delivering; what the new one brings
 * waits. When the old one is drained, everything it delivered meanwhile is struck from the waiting messages once, and
 * the rest is delivered. A message both saw is byte for byte the same, so counting equal messages is exact as long as
 * nobody sends two equal ones around the very instant the new subscription begins; such twins carry no request id, no
 * sequence and no event id, so the second says nothing new.
 */
export class Handover {
  readonly from: Wire;
  readonly to: Wire;
  readonly #delivered = new Map<string, number>();
  readonly #waiting: LinkMessage[] = [];

  constructor(from: Wire, to: Wire) {
    this.from = from;
    this.to = to;
  }

  /** Takes a message of either connection; true when it is to be delivered now. */
  take(wire: Wire, message: LinkMessage): boolean {
    if (wire === this.to) {
      this.#waiting.push(message);
      return false;
    }
    const key = identity(message);
    this.#delivered.set(key, (this.#delivered.get(key) ?? 0) + 1);
    return true;
  }

  /** What only the new connection heard, in its order. */
  finish(): readonly LinkMessage[] {
    return this.#waiting.filter((message) => {
      const key = identity(message);
      const count = this.#delivered.get(key) ?? 0;
      if (count === 0) return true;
      this.#delivered.set(key, count - 1);
      return false;
    });
  }
}

/** Maps every byte to one character, so equal texts mean equal bytes. */
const bytesAsText = new TextDecoder("windows-1252");

function identity(message: LinkMessage): string {
  let text = `${message.subject} ${message.reply ?? ""}\n`;
  if (message.headers !== undefined) {
    for (const [name, values] of message.headers) text += `${name}: ${values.join(",")}\n`;
  }
  return text + bytesAsText.decode(message.data);
}
