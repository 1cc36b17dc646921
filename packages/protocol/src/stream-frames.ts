import type { Json } from "@trellis/contracts";
import type { ErrorBody } from "./error-body.ts";
import { isErrorBody } from "./error-body.ts";
import { parseJsonObject } from "./json-message.ts";
import { LIMITS } from "./limits.ts";

/**
 * What travels on an open stream, each message one JSON object.
 * 1. The sender's first message is `ready`; `frame`s count from 1 without a gap; `end` and `error` are the last.
 * 2. The sender never sends a frame beyond the sequence the reader granted. A grant is a sequence and not an amount,
 *    so one that is lost, repeated or late does no harm.
 * 3. `heartbeat`, `end` and `error` name the last frame sent: a reader sees what it missed.
 */
export type StreamFrame =
  | {
      readonly type: "ready";
      /** Where the replica that holds this stream takes credits, heartbeats and cancel. */
      readonly control: string;
      /** Frames that may come before the first grant. */
      readonly credits: number;
      /** How often both sides say that they live, when that is not every `LIMITS.streamHeartbeatMs`. */
      readonly heartbeatMs?: number;
    }
  | { readonly type: "frame"; readonly seq: number; readonly data: Json; readonly cursor?: string }
  | {
      readonly type: "heartbeat";
      readonly seq: number;
      /** The sender needs a signed heartbeat now: what it knows about the reader's session is about to be too old. */
      readonly prove?: true;
    }
  | { readonly type: "end"; readonly seq: number }
  | { readonly type: "error"; readonly seq: number; readonly error: ErrorBody };

/** What the reader of a stream sends to its control subject. */
export type StreamControl =
  /** The sender may send every frame up to this sequence. */
  | { readonly type: "credits"; readonly upTo: number }
  /** The reader lives and has received up to this sequence. It carries the headers of a request when it was asked to prove itself. */
  | { readonly type: "heartbeat"; readonly seq: number }
  | { readonly type: "cancel" };

const encoder = new TextEncoder();

export function encodeStreamFrame(frame: StreamFrame): Uint8Array {
  return encoder.encode(JSON.stringify(frame));
}

export function encodeStreamControl(control: StreamControl): Uint8Array {
  return encoder.encode(JSON.stringify(control));
}

/** Reads what a sender sent; `undefined` for anything else, which ends the stream as `invalid_reply`. */
export function parseStreamFrame(bytes: Uint8Array): StreamFrame | undefined {
  const value = parseJsonObject(bytes);
  if (value === undefined) return undefined;
  const { type, seq } = value;
  switch (type) {
    case "ready": {
      const { control, credits, heartbeatMs } = value;
      if (!isControlSubject(control) || !isCredits(credits)) return undefined;
      if (heartbeatMs === undefined) return { type, control, credits };
      return isSequence(heartbeatMs) && heartbeatMs > 0 ? { type, control, credits, heartbeatMs } : undefined;
    }
    case "frame": {
      const { data, cursor } = value;
      if (!isSequence(seq) || seq === 0 || data === undefined) return undefined;
      if (cursor === undefined) return { type, seq, data };
      return isCursor(cursor) ? { type, seq, data, cursor } : undefined;
    }
    case "heartbeat":
      if (!isSequence(seq)) return undefined;
      return value["prove"] === true ? { type, seq, prove: true } : { type, seq };
    case "end":
      return isSequence(seq) ? { type, seq } : undefined;
    case "error": {
      const { error } = value;
      return isSequence(seq) && isErrorBody(error) ? { type, seq, error } : undefined;
    }
    default:
      return undefined;
  }
}

/** Reads what a reader sent; anything else is ignored. */
export function parseStreamControl(bytes: Uint8Array): StreamControl | undefined {
  if (bytes.length > LIMITS.controlBytes) return undefined;
  const value = parseJsonObject(bytes);
  if (value === undefined) return undefined;
  switch (value["type"]) {
    case "credits":
      return isSequence(value["upTo"]) ? { type: "credits", upTo: value["upTo"] } : undefined;
    case "heartbeat":
      return isSequence(value["seq"]) ? { type: "heartbeat", seq: value["seq"] } : undefined;
    case "cancel":
      return { type: "cancel" };
    default:
      return undefined;
  }
}

/** What a grant may be at most when this much was sent: a sender never owes more than the limit. */
export function boundGrant(upTo: number, sent: number): number {
  return Math.min(upTo, sent + LIMITS.maxStreamCredits);
}

function isSequence(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCredits(value: unknown): value is number {
  return isSequence(value) && value <= LIMITS.maxStreamCredits;
}

function isCursor(value: unknown): value is string {
  return typeof value === "string" && value.length <= LIMITS.cursorBytes;
}

const CONTROL = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/;

function isControlSubject(value: unknown): value is string {
  return typeof value === "string" && value.length <= LIMITS.subjectBytes && CONTROL.test(value);
}

/**
 * Whether a control subject lies where streams of this surface have theirs. A reader writes to no other: the
 * answering side does not choose what it publishes.
 */
export function isControlOf(surfaceSubject: string, control: string): boolean {
  const prefix = `${surfaceSubject}.control.stream.`;
  return control.startsWith(prefix) && /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}$/.test(control.slice(prefix.length));
}
