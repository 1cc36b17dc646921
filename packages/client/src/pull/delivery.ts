import type { ConsumerBinding } from "@trellis/contracts";
import type { LinkMessage } from "../link.ts";

/** One message as a pull consumer delivered it. */
export interface Delivery {
  /** Its place in the stream: the same for every delivery of it. */
  readonly sequence: number;
  /** How often it was delivered, this time included. */
  readonly deliveries: number;
  /** Where it is acknowledged. */
  readonly reply: string;
  readonly message: LinkMessage;
}

/**
 * Reads the acknowledgement subjects of one consumer, which say everything about a delivery; nothing when a message is not
 * of this consumer. `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.…`, in newer servers with domain and account in
 * front.
 */
export function deliveryReader({ stream, consumer }: ConsumerBinding): (message: LinkMessage) => Delivery | undefined {
  const ours = `$JS.ACK.${stream}.${consumer}.`;
  return (message) => {
    const { reply } = message;
    if (reply === undefined) return undefined;
    if (!reply.startsWith(ours)) return readLonger(message, reply, stream, consumer);
    return readNumbers(message, reply, ours.length);
  };
}

/** `$JS.ACK.<domain>.<account>.<stream>.…` */
function readLonger(message: LinkMessage, reply: string, stream: string, consumer: string): Delivery | undefined {
  if (!reply.startsWith("$JS.ACK.")) return undefined;
  const [, , domain = "", account = "", ...rest] = reply.split(".");
  if (rest.length < 7 || rest[0] !== stream || rest[1] !== consumer) return undefined;
  return readNumbers(message, reply, ["$JS.ACK", domain, account, stream, consumer, ""].join(".").length);
}

function readNumbers(message: LinkMessage, reply: string, from: number): Delivery | undefined {
  const middle = reply.indexOf(".", from);
  const end = reply.indexOf(".", middle + 1);
  if (middle < 0 || end < 0) return undefined;
  const deliveries = Number(reply.slice(from, middle));
  const sequence = Number(reply.slice(middle + 1, end));
  if (!Number.isSafeInteger(deliveries) || !Number.isSafeInteger(sequence) || deliveries < 1) return undefined;
  return { sequence, deliveries, reply, message };
}
