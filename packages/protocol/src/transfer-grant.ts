import { isName, transferControlSubject, transferSubject } from "@trellis/contracts";
import { isJsonObject } from "./error-body.ts";
import { INBOX_OWNER_CHARACTERS, newInboxOwner } from "./inbox.ts";
import { LIMITS } from "./limits.ts";
import { isTokenText } from "./random-token.ts";
import { isDigest } from "./signed-text.ts";

/** What is known about the bytes before they move. */
export interface TransferInfo {
  /** Of everything that will be sent; absent for a stream that nobody has measured. */
  readonly size?: number;
  /** Base64url of its SHA-256, when it is known before. */
  readonly digest?: string;
}

/**
 * The right to move the bytes of one file, once, between the caller it was given to and the service that gave it.
 * Whoever holds it still has to prove to be that caller: the id is unguessable, and alone opens nothing.
 */
export interface TransferGrant {
  readonly type: "TransferGrant";
  /** From the caller's side. */
  readonly direction: "send" | "receive";
  /** The deployment that gave it. */
  readonly service: string;
  readonly transferId: string;
  /** Where it is opened. */
  readonly subject: string;
  /** ISO 8601. While bytes move it goes on living; unused it ends then. */
  readonly expiresAt: string;
  /** Every chunk but the last has exactly this many bytes. */
  readonly chunkBytes: number;
  /** More is refused. */
  readonly maxBytes?: number;
  readonly contentType?: string;
  readonly metadata?: { readonly [name: string]: string };
  /** Of what is to be received. */
  readonly info?: TransferInfo;
}

/** An id that nobody can guess: 132 random bits. */
export function newTransferId(): string {
  return newInboxOwner();
}

/** Whether a text has the shape of a transfer's id. */
export function isTransferId(text: string): boolean {
  return text.length === INBOX_OWNER_CHARACTERS && isTokenText(text, 0, INBOX_OWNER_CHARACTERS);
}

/** Whether a control subject lies where this service has those of its transfers. A peer writes to no other. */
export function isTransferControl(service: string, control: string): boolean {
  const prefix = transferControlSubject(service, "", "").slice(0, -1);
  return control.startsWith(prefix) && /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(control.slice(prefix.length));
}

/** Reads a grant as it came with an answer; `undefined` for anything a runtime must not act on. */
export function parseTransferGrant(value: unknown): TransferGrant | undefined {
  if (!isJsonObject(value) || value["type"] !== "TransferGrant") return undefined;
  const { direction, service, transferId, subject, expiresAt, chunkBytes, maxBytes, contentType, metadata } = value;
  if (direction !== "send" && direction !== "receive") return undefined;
  if (typeof service !== "string" || !isName("deployment", service)) return undefined;
  if (typeof transferId !== "string" || !isTransferId(transferId)) return undefined;
  if (subject !== transferSubject(direction === "send" ? "upload" : "download", service, transferId)) return undefined;
  if (typeof expiresAt !== "string" || Number.isNaN(Date.parse(expiresAt))) return undefined;
  if (!isByteCount(chunkBytes) || chunkBytes === 0 || chunkBytes > LIMITS.maxTransferChunkBytes) return undefined;
  if (maxBytes !== undefined && !isByteCount(maxBytes)) return undefined;
  if (contentType !== undefined && typeof contentType !== "string") return undefined;
  const info = parseInfo(value["info"]);
  const words = parseMetadata(metadata);
  if (info === null || words === null) return undefined;
  return {
    type: "TransferGrant",
    direction,
    service,
    transferId,
    subject,
    expiresAt,
    chunkBytes,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(words === undefined ? {} : { metadata: words }),
    ...(info === undefined ? {} : { info }),
  };
}

/** A number of bytes: whole, exact, not negative. */
export function isByteCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function parseInfo(value: unknown): TransferInfo | undefined | null {
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) return null;
  const { size, digest } = value;
  if (size !== undefined && !isByteCount(size)) return null;
  if (digest !== undefined && !isDigest(digest)) return null;
  return { ...(size === undefined ? {} : { size }), ...(digest === undefined ? {} : { digest }) };
}

function parseMetadata(value: unknown): { readonly [name: string]: string } | undefined | null {
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) return null;
  const words: { [name: string]: string } = {};
  for (const [name, word] of Object.entries(value)) {
    if (typeof word !== "string") return null;
    words[name] = word;
  }
  return words;
}
