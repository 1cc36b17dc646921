import type { LinkMessage } from "./link.ts";
import type { Wire } from "./nats-wire.ts";

/**
 * Moves one plain subscription from a connection to the next without losing or repeating a message.
 *
 * While both are subscribed most messages arrive twice. The old connection goes on delivering; what the new one brings
 * waits. When the old one is drained, everything it delivered meanwhile is struck from the waiting messages once, and
 * the rest is delivered; copies that are late on the new connection are struck as they come. A message both heard is
 * byte for byte the same, so counting equal messages is exact as long as nobody sends two equal ones around the very
 * instant of a move; such twins carry no request id, no sequence and no event id, so the second says nothing new.
 */
export class Handover {
  readonly from: Wire;
  readonly to: Wire;
  readonly #delivered = new Map<string, number>();
  #waiting: LinkMessage[] | undefined = [];

  constructor(from: Wire, to: Wire) {
    this.from = from;
    this.to = to;
  }

  /** Takes a message of either connection; true when it is to be delivered now. */
  take(wire: Wire, message: LinkMessage): boolean {
    if (wire === this.to) {
      if (this.#waiting === undefined) return !this.#strike(message);
      this.#waiting.push(message);
      return false;
    }
    const key = identity(message);
    this.#delivered.set(key, (this.#delivered.get(key) ?? 0) + 1);
    return true;
  }

  /** The old connection is silent: what only the new one heard, in its order. */
  finish(): readonly LinkMessage[] {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    return waiting.filter((message) => !this.#strike(message));
  }

  #strike(message: LinkMessage): boolean {
    if (this.#delivered.size === 0) return false;
    const key = identity(message);
    const count = this.#delivered.get(key);
    if (count === undefined) return false;
    if (count === 1) this.#delivered.delete(key);
    else this.#delivered.set(key, count - 1);
    return true;
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
