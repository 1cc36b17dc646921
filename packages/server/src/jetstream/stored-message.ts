import type { LinkMessage } from "@trellis/client/internal";

/** The headers a stored message carries; a missing one is the empty text. */
export interface StoredHeaders {
  get(name: string): string;
}

/** One message of a stream. */
export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  /** When the stream took it, as the server writes times. */
  readonly time: string;
  readonly data: Uint8Array;
  readonly headers: StoredHeaders;
}

const NO_HEADERS: StoredHeaders = { get: () => "" };

/** A message as direct reads and republishing deliver it; `undefined` when it is not one of this stream. */
export function fromDelivery(message: LinkMessage, stream: string): StoredMessage | undefined {
  const { headers } = message;
  if (headers === undefined) return undefined;
  // Twice means that the first came with the message: somebody wrote it, not the server.
  const streams = headers.values("Nats-Stream");
  if (streams.length !== 1 || streams[0] !== stream) return undefined;
  const sequence = Number(headers.get("Nats-Sequence"));
  if (!Number.isSafeInteger(sequence) || sequence < 1) return undefined;
  return {
    subject: headers.get("Nats-Subject"),
    sequence,
    time: headers.get("Nats-Time-Stamp"),
    data: message.data,
    headers,
  };
}

/** What the leader answers, which is JSON. */
export interface LeaderMessage {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  readonly data?: string;
  readonly hdrs?: string;
}

/** A message as the leader of a stream tells it. */
export function fromLeader(message: LeaderMessage): StoredMessage {
  return {
    subject: message.subject,
    sequence: message.seq,
    time: message.time,
    data: fromBase64(message.data),
    headers: message.hdrs === undefined ? NO_HEADERS : parseHeaders(fromBase64(message.hdrs)),
  };
}

function parseHeaders(bytes: Uint8Array): StoredHeaders {
  const values = new Map<string, string>();
  for (const line of new TextDecoder().decode(bytes).split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) values.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { get: (name) => values.get(name) ?? "" };
}

function fromBase64(text: string | undefined): Uint8Array {
  return text === undefined ? new Uint8Array(0) : Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
