/**
 * What is stored under a record's subject: the record, the transaction that wrote it and which of its messages this
 * is, and the transactions before it on the same subject (so that a writer who heard no answer can find its own
 * write even after others have written over it). A deleted record is an envelope without a value; one that expired
 * is the server's own empty marker.
 */
export interface Envelope {
  /** Schema version the value was written with. */
  readonly version: number;
  readonly tx: string;
  readonly part: number;
  readonly of: number;
  readonly after: readonly string[];
  readonly deleted: boolean;
  readonly value: unknown;
}

/** Earlier writers remembered on a record. */
export const REMEMBERED_WRITERS = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { version, tx, part, of, after, deleted, value } = envelope;
  return encoder.encode(
    JSON.stringify({
      version,
      tx,
      ...(of > 1 ? { part, of } : {}),
      ...(after.length > 0 ? { after } : {}),
      ...(deleted ? { deleted: true } : { value }),
    }),
  );
}

/** `undefined` when these bytes are no envelope. Empty bytes are the server's marker for an expired record. */
export function decodeEnvelope(data: Uint8Array): Envelope | undefined {
  if (data.length === 0) return { version: 0, tx: "", part: 1, of: 1, after: [], deleted: true, value: undefined };
  try {
    const parsed: unknown = JSON.parse(decoder.decode(data));
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const {
      version,
      tx,
      part = 1,
      of = 1,
      after = [],
      deleted = false,
      value,
    }: { readonly [member: string]: unknown } = { ...parsed };
    if (typeof version !== "number" || typeof tx !== "string" || typeof part !== "number" || typeof of !== "number")
      return undefined;
    if (!Array.isArray(after) || typeof deleted !== "boolean") return undefined;
    return { version, tx, part, of, after: after.filter((item) => typeof item === "string"), deleted, value };
  } catch {
    return undefined;
  }
}
