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

/** Whether these are the bytes it was stored with. */
export function holds({ data }: StoredMessage, bytes: Uint8Array): boolean {
  return data.length === bytes.length && data.every((byte, index) => byte === bytes[index]);
}

const NO_HEADERS: StoredHeaders = { get: () => "" };

/** What the server adds to a message it delivers from a stream, read in one pass: listings are made of these. */
export interface Delivered extends StoredMessage {
  /** The message before: of the same subject when republished, of the same page when read in a batch. */
  readonly before: number;
}

/**
 * A message as direct reads and republishing deliver it; `undefined` when it is not one of this stream. The server puts its
 * headers after those the message was stored with, so of each only the last is its word: any other can be forged.
 */
export function fromDelivery(message: LinkMessage, stream: string): Delivered | undefined {
  const { headers } = message;
  if (headers === undefined) return undefined;
  let subject = "";
  let time = "";
  let from = "";
  let sequence = 0;
  let before = 0;
  for (const [name, values] of headers) {
    const value = values.at(-1) ?? "";
    switch (name) {
      case "Nats-Stream":
        from = value;
        break;
      case "Nats-Subject":
        subject = value;
        break;
      case "Nats-Sequence":
        sequence = Number(value);
        break;
      case "Nats-Time-Stamp":
        time = value;
        break;
      case "Nats-Last-Sequence":
        before = Number(value);
        break;
    }
  }
  if (from !== stream || !Number.isSafeInteger(sequence) || sequence < 1) return undefined;
  return { subject, sequence, time, before, data: message.data, headers };
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
  const binary = text === undefined ? "" : atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
