import { bodySize } from "@trellis/client/internal";
import { TransferError } from "@trellis/protocol";
import type { TransferInfo } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import { digestOf } from "../store/object-layout.ts";
import { StoreError } from "../store/store-error.ts";
import type { Store } from "../store/store.ts";
import type { StoreBody } from "../store/store-types.ts";

/** Where the bytes of a download come from; made by `fromStore` or `fromBytes`. */
export interface TransferSource {
  readonly info: TransferInfo;
  readonly contentType?: string;
  readonly metadata?: { readonly [name: string]: string };
  /** Whether it can be read again, and from any byte on: then a download that was cut off goes on. */
  readonly restarts: boolean;
  /** The bytes from this one on. */
  open(from: number, signal: AbortSignal): StoreBody | Promise<StoreBody>;
}

/** Whether a handler gave a source. */
export function isTransferSource(value: unknown): value is TransferSource {
  return typeof value === "object" && value !== null && "open" in value && "restarts" in value && "info" in value;
}

/** What is known about bytes that come from somewhere else. */
export interface BytesAbout extends TransferInfo {
  readonly contentType?: string;
  readonly metadata?: { readonly [name: string]: string };
}

/**
 * An object of a store, or a part of it. What is sent is the object as it is now: if it is replaced meanwhile, the
 * download fails with `changed`.
 */
export function fromStore(
  store: Store,
  name: string,
  options: { readonly range?: { readonly start: number; readonly end?: number } } = {},
): AsyncResult<TransferSource, StoreError> {
  return AsyncResult.run(async () => {
    const found = await store.info(name);
    if (!found.ok) return found;
    if (found.value === undefined)
      return err(new StoreError("not_found", `There is no object ${name}.`, { object: name }));
    const { size, digest, contentType, metadata } = found.value;
    const { start = 0, end = size } = options.range ?? {};
    if (start < 0 || end < start || end > size)
      return err(
        new StoreError("invalid_range", `${name} has ${size} bytes; there is no range from ${start} to ${end} in it.`, {
          object: name,
        }),
      );
    const whole = start === 0 && end === size;
    return ok({
      info: { size: end - start, ...(whole ? { digest: digestOf(digest) } : {}) },
      ...(contentType === undefined ? {} : { contentType }),
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      restarts: true,
      async open(from: number, signal: AbortSignal) {
        const read = await store.get(name, { range: { start: start + from, end }, signal });
        if (read.ok && read.value.info.digest === digest) return read.value.body;
        if (read.ok) await read.value.body.cancel();
        else if (read.error.code !== "not_found" && read.error.code !== "invalid_range") throw read.error;
        throw new TransferError("changed", { message: `${name} was replaced or removed while it was being sent.` });
      },
    });
  });
}

/**
 * Bytes that are there or are being made. A stream is read once, so a download of it that is cut off has failed; a
 * function is asked for the bytes from any one on, and the download goes on.
 */
export function fromBytes(
  bytes: StoreBody | ((from: number) => StoreBody | Promise<StoreBody>),
  about: BytesAbout = {},
): TransferSource {
  const { size: told, digest, contentType, metadata } = about;
  const size = told ?? (typeof bytes === "function" ? undefined : bodySize(bytes));
  return {
    info: { ...(size === undefined ? {} : { size }), ...(digest === undefined ? {} : { digest }) },
    ...(contentType === undefined ? {} : { contentType }),
    ...(metadata === undefined ? {} : { metadata }),
    restarts: typeof bytes === "function" || (size !== undefined && isInMemory(bytes)),
    open(from) {
      if (typeof bytes === "function") return bytes(from);
      if (bytes instanceof Uint8Array) return bytes.subarray(from);
      return bytes instanceof Blob ? bytes.slice(from) : bytes;
    },
  };
}

function isInMemory(bytes: StoreBody): boolean {
  return bytes instanceof Uint8Array || bytes instanceof Blob;
}
