import { encodeBase64url } from "@trellis/contracts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { StoreError } from "./store-error.ts";
import type { StoredObject } from "./store-types.ts";

/**
 * The layout of the NATS object store (ADR-20), so that its tools read what is written here and the other way round:
 * descriptions on `$O.<bucket>.M.<name>`, chunks in order on `$O.<bucket>.C.<id>`.
 */

/** What others write by default, and small enough for a window of them to fit into memory many times. */
export const CHUNK_BYTES = 131_072;

/** Of the id its chunks are stored under: 132 random bits. */
export const UPLOAD_ID_CHARACTERS = 22;

const MAX_NAME_BYTES = 512;

/** A description as it is stored. Members only others write are kept out; they are of no use here. */
export interface ObjectDescription {
  readonly name: string;
  readonly description?: string;
  readonly headers?: { readonly [name: string]: readonly string[] };
  readonly metadata?: { readonly [name: string]: string };
  readonly options?: { readonly max_chunk_size?: number; readonly link?: unknown };
  readonly bucket: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly digest: string;
  readonly mtime: string;
  readonly deleted?: boolean;
  /** Ours: where the first chunk is, which lets a range begin in the middle. Others ignore it. */
  readonly trellis?: { readonly first: number };
}

/** Where the description of an object is. */
export function descriptionSubject(bucket: string, name: string): string {
  const bytes = encoder.encode(name);
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES)
    throw new StoreError(
      "invalid_name",
      `The name of an object is 1 to ${MAX_NAME_BYTES} bytes, not ${bytes.length}.`,
      { object: name.slice(0, 80) },
    );
  return `$O.${bucket}.M.${padded(encodeBase64url(bytes))}`;
}

/** Where the chunks of one upload are. */
export function chunkSubject(bucket: string, id: string): string {
  return `$O.${bucket}.C.${id}`;
}

/** The id a chunk is published under: it tells a repeated chunk, and its place. */
export function chunkId(id: string, index: number): string {
  return `${id}.${index}`;
}

/** The place of a chunk, when it was written here. */
export function chunkIndex(message: StoredMessage): number | undefined {
  const messageId = message.headers.get("Nats-Msg-Id");
  const dot = messageId.lastIndexOf(".");
  return dot < 0 ? undefined : Number(messageId.slice(dot + 1));
}

/** The text of a digest. */
export function digestText(digest: Uint8Array): string {
  return `SHA-256=${padded(encodeBase64url(digest))}`;
}

/** The digest a description holds, as base64url of its bytes. */
export function digestOf(text: string): string {
  return text.slice(text.indexOf("=") + 1).replace(/=+$/, "");
}

/** Reads a description; `undefined` when the object was removed. */
export function readDescription(message: StoredMessage, bucket: string): ObjectDescription | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(message.data));
  } catch {
    value = undefined;
  }
  if (!isDescription(value)) {
    // What JetStream leaves behind an expired or removed message is empty.
    if (message.data.length === 0) return undefined;
    throw new StoreError("corrupt", `A description in the object store ${bucket} cannot be read.`);
  }
  return value.deleted === true ? undefined : value;
}

/** What users see of a description. */
export function toObject(found: ObjectDescription, message: StoredMessage): StoredObject {
  return {
    name: found.name,
    size: found.size,
    digest: found.digest,
    contentType: Object.entries(found.headers ?? {}).find(([name]) => name.toLowerCase() === "content-type")?.[1][0],
    metadata: found.metadata ?? {},
    at: new Date(message.time),
  };
}

const encoder = new TextEncoder();

function padded(text: string): string {
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

function isDescription(value: unknown): value is ObjectDescription {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "nuid" in value &&
    typeof value.nuid === "string" &&
    "size" in value &&
    typeof value.size === "number" &&
    "chunks" in value &&
    typeof value.chunks === "number" &&
    "digest" in value &&
    typeof value.digest === "string"
  );
}
