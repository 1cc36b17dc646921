import type { Json } from "@trellis/contracts";
import { parseJsonObject } from "./json-message.ts";
import { LIMITS } from "./limits.ts";
import { isDigest } from "./signed-text.ts";
import { parseStreamControl, parseStreamFrame } from "./stream-frames.ts";
import type { StreamControl, StreamFrame } from "./stream-frames.ts";
import { isByteCount } from "./transfer-grant.ts";

/**
 * What travels on an open transfer. It is a stream (`stream-frames.ts`) that carries bytes:
 * 1. A chunk is a message of nothing but bytes, with its number in the header `trellis-transfer-seq`. Numbers count from
 *    1 over the whole transfer, whichever stream they travel on, so chunk n begins at (n − 1) × chunkBytes.
 * 2. No side sends a chunk beyond what the other has granted; grants are numbers and not amounts.
 * 3. `end` says how many chunks and bytes there are and what their SHA-256 is. The receiving side compares.
 */
export interface Chunk {
  readonly type: "chunk";
  readonly seq: number;
  readonly data: Uint8Array;
}

/** Everything that was to be sent, from the first byte of the transfer. */
export interface TransferEnd {
  readonly type: "end";
  /** The number of the last chunk; 0 when there is none. */
  readonly seq: number;
  readonly size: number;
  /** Base64url of the SHA-256. */
  readonly digest: string;
}

type Basics = Extract<StreamFrame, { readonly type: "ready" | "heartbeat" | "error" }>;

/** What a service sends to whoever downloads. */
export type DownloadFrame = Basics | Chunk | TransferEnd;

/** What a service sends to whoever uploads. */
export type UploadFrame =
  | Basics
  /** Everything up to `seq` is stored; what is sent may go up to `upTo`. The first one says where to begin. */
  | { readonly type: "ack"; readonly seq: number; readonly upTo: number }
  /** What came after `seq` got lost on the way: everything from there is to be sent again. */
  | { readonly type: "again"; readonly seq: number }
  /** It is stored, whole and as it was sent. */
  | { readonly type: "stored"; readonly seq: number; readonly size: number; readonly digest: string };

/** What whoever uploads sends to the control subject. */
export type UploadControl = Chunk | TransferEnd | Exclude<StreamControl, { readonly type: "credits" }>;

/** The payload that opens a transfer. */
export interface TransferOpening {
  /** Of a download: the chunks that were received before. */
  readonly after: number;
  /** Of an upload: how much there is, if that is known. */
  readonly size?: number;
}

const encoder = new TextEncoder();

export function encodeTransferFrame(
  frame: TransferEnd | Extract<UploadFrame, { readonly type: "ack" | "again" | "stored" }>,
): Uint8Array {
  return encoder.encode(JSON.stringify(frame));
}

export function encodeTransferOpening(opening: TransferOpening): Uint8Array {
  return encoder.encode(JSON.stringify(opening));
}

/** Reads the payload that opens a transfer; `undefined` for anything else. */
export function parseTransferOpening(bytes: Uint8Array): TransferOpening | undefined {
  const value = parseJsonObject(bytes);
  if (value === undefined) return undefined;
  const { after, size } = value;
  if (!isByteCount(after) || (size !== undefined && !isByteCount(size))) return undefined;
  return { after, ...(size === undefined ? {} : { size }) };
}

/** Reads what came to whoever downloads; `seq` is the text of the header, if there is one. */
export function parseDownloadFrame(bytes: Uint8Array, seq: string | undefined): DownloadFrame | undefined {
  if (seq !== undefined) return parseChunk(bytes, seq);
  const value = parseJsonObject(bytes);
  return value?.["type"] === "end" ? parseEnd(value) : basic(parseStreamFrame(bytes));
}

/** Reads what came to whoever uploads. */
export function parseUploadFrame(bytes: Uint8Array): UploadFrame | undefined {
  const value = parseJsonObject(bytes);
  if (value === undefined) return undefined;
  const { type, seq, upTo } = value;
  switch (type) {
    case "ack":
      return isByteCount(seq) && isByteCount(upTo) && upTo >= seq ? { type, seq, upTo } : undefined;
    case "again":
      return isByteCount(seq) ? { type, seq } : undefined;
    case "stored": {
      const end = parseEnd(value);
      return end === undefined ? undefined : { ...end, type };
    }
    default:
      return basic(parseStreamFrame(bytes));
  }
}

/** Reads what whoever uploads sent; anything else is ignored. */
export function parseUploadControl(bytes: Uint8Array, seq: string | undefined): UploadControl | undefined {
  if (seq !== undefined) return parseChunk(bytes, seq);
  if (bytes.length > LIMITS.controlBytes) return undefined;
  const value = parseJsonObject(bytes);
  if (value?.["type"] === "end") return parseEnd(value);
  const control = parseStreamControl(bytes);
  return control?.type === "credits" ? undefined : control;
}

function parseChunk(data: Uint8Array, seq: string): Chunk | undefined {
  if (!/^[1-9]\d{0,15}$/.test(seq) || data.length === 0 || data.length > LIMITS.maxTransferChunkBytes) return undefined;
  const number = Number(seq);
  return Number.isSafeInteger(number) ? { type: "chunk", seq: number, data } : undefined;
}

function parseEnd({ seq, size, digest }: { readonly [member: string]: Json }): TransferEnd | undefined {
  if (!isByteCount(seq) || !isByteCount(size) || !isDigest(digest)) return undefined;
  return { type: "end", seq, size, digest };
}

function basic(frame: StreamFrame | undefined): Basics | undefined {
  return frame?.type === "ready" || frame?.type === "heartbeat" || frame?.type === "error" ? frame : undefined;
}
