import type { ValidationIssue } from "@trellis/protocol";
import { TransportError } from "@trellis/protocol";
import { StreamRefused } from "../jetstream/stream-refused.ts";

/**
 * Why a bucket did not do what it was asked:
 * - `conflict`: the key is not at the expected revision (or already exists); read it and decide again
 * - `not_found`: the key to be updated or deleted at a revision does not exist
 * - `invalid_key`, `invalid_value`: a key or filter NATS cannot hold, a value that does not fit the contract
 * - `value_too_large`, `bucket_full`: over the limit of a value, or of what the bucket may hold
 * - `unavailable`: NATS did not answer in time; what was asked may or may not have been done
 */
export type KvErrorCode =
  "conflict" | "not_found" | "invalid_key" | "invalid_value" | "value_too_large" | "bucket_full" | "unavailable";

export interface KvErrorDetails {
  readonly key?: string;
  readonly revision?: number;
  readonly issues?: readonly ValidationIssue[];
  readonly cause?: unknown;
}

/** A bucket said no; `code` says why. */
export class KvError extends Error {
  override readonly name = "KvError";
  readonly code: KvErrorCode;
  readonly key: string | undefined;
  /** With `conflict`, where the key is now, when NATS said so. */
  readonly revision: number | undefined;
  /** With `invalid_value`, what is wrong with it. */
  readonly issues: readonly ValidationIssue[];

  constructor(code: KvErrorCode, message: string, details: KvErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.key = details.key;
    this.revision = details.revision;
    this.issues = details.issues ?? [];
  }
}

/** What any failure below means to whoever uses the bucket. Bugs pass through. */
export function toKvError(error: unknown, bucket: string, key?: string): KvError {
  const about = key === undefined ? {} : { key };
  const where = key === undefined ? `The bucket ${bucket}` : `The key ${key} of the bucket ${bucket}`;
  if (error instanceof KvError) return error;
  if (error instanceof StreamRefused) {
    if (error.isConflict) {
      const now = /(\d+)\s*$/.exec(error.message)?.[1];
      return new KvError("conflict", `${where} was changed by somebody else. Read it again and decide anew.`, {
        ...about,
        ...(now === undefined || now === "0" ? {} : { revision: Number(now) }),
        cause: error,
      });
    }
    if (error.isFull)
      return new KvError(
        "bucket_full",
        `The bucket ${bucket} has no room: ${error.message}. Remove keys or give it more space.`,
        { ...about, cause: error },
      );
    if (error.isTooLarge)
      return new KvError("value_too_large", `${where} cannot hold a value this large.`, { ...about, cause: error });
    return new KvError("unavailable", `${where} cannot be reached: ${error.message}. Try again.`, {
      ...about,
      cause: error,
    });
  }
  if (error instanceof TransportError) {
    if (error.code === "payload_too_large")
      return new KvError(
        "value_too_large",
        `The value for ${key ?? bucket} is larger than NATS takes in one message.`,
        { ...about, cause: error },
      );
    return new KvError("unavailable", `${where} cannot be reached: ${error.message}`, { ...about, cause: error });
  }
  throw error;
}
