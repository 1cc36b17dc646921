import { TransportError } from "@trellis/protocol";
import { StreamRefused } from "../jetstream/stream-refused.ts";

/**
 * Why an object store did not do what it was asked:
 * - `not_found`: there is no object of that name
 * - `invalid_name`, `invalid_range`: what was asked for cannot exist
 * - `object_too_large`, `store_full`: over the limit of one object, or of everything in the store
 * - `changed`: the object was replaced or removed while it was read
 * - `corrupt`: what is stored is not what its description says
 * - `body_failed`: the body that was to be stored broke off
 * - `interrupted`: the upload took too long without a sign of life, or its parts arrived out of order; nothing is stored
 * - `cancelled`: by its signal
 * - `unavailable`: NATS did not answer in time
 */
export type StoreErrorCode =
  | "not_found"
  | "invalid_name"
  | "invalid_range"
  | "object_too_large"
  | "store_full"
  | "changed"
  | "corrupt"
  | "body_failed"
  | "interrupted"
  | "cancelled"
  | "unavailable";

/** An object store said no; `code` says why. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  /** The name of the object it is about. */
  readonly object: string | undefined;

  constructor(
    code: StoreErrorCode,
    message: string,
    details: { readonly object?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.object = details.object;
  }
}

/** What any failure below means to whoever uses the store. Bugs pass through. */
export function toStoreError(error: unknown, bucket: string, object?: string): StoreError {
  if (error instanceof StoreError) return error;
  const details = { object, cause: error };
  const where = object === undefined ? `The object store ${bucket}` : `${object} in the object store ${bucket}`;
  if (error instanceof StreamRefused) {
    return error.isFull
      ? new StoreError(
          "store_full",
          `The object store ${bucket} has no room for this. Remove objects or raise maxTotalBytes; nothing was stored.`,
          details,
        )
      : new StoreError("unavailable", `${where} cannot be reached: ${error.message}. Try again.`, details);
  }
  if (error instanceof TransportError) {
    return error.code === "cancelled"
      ? new StoreError("cancelled", `What was under way for ${where} was cancelled.`, details)
      : new StoreError("unavailable", `${where} cannot be reached: ${error.message}`, details);
  }
  throw error;
}
