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
 * Reads the acknowledgement subject, which says everything about a delivery. Nothing when it is not of this consumer.
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.…`, in newer servers with domain and account in front.
 */
export function readDelivery(message: LinkMessage, { stream, consumer }: ConsumerBinding): Delivery | undefined {
  const { reply } = message;
  if (reply === undefined || !reply.startsWith("$JS.ACK.")) return undefined;
  const tokens = reply.split(".");
  const at = tokens.length >= 11 ? 4 : 2;
  if (tokens[at] !== stream || tokens[at + 1] !== consumer) return undefined;
  const deliveries = Number(tokens[at + 2]);
  const sequence = Number(tokens[at + 3]);
  if (!Number.isSafeInteger(deliveries) || !Number.isSafeInteger(sequence) || deliveries < 1) return undefined;
  return { sequence, deliveries, reply, message };
}
