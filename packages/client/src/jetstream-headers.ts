import type { MsgHdrs } from "@nats-io/nats-core";

/**
 * Whether JetStream made this message. NATS never checks the reply subject of a request, so anybody who may read a
 * stored message can have the server deliver it to a subject of somebody else; such a delivery carries these headers.
 */
export function carriesJetStreamHeaders(headers: MsgHdrs): boolean {
  for (const [name] of headers) {
    // Compared without case: how the server writes them is its business.
    if (name.length >= 11 && name.length <= 13 && JETSTREAM_HEADER.test(name)) return true;
  }
  return false;
}

const JETSTREAM_HEADER = /^nats-(stream|sequence)$/i;
