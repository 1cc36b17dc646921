import { BodyFailed, bodyChunks, bodySize } from "@trellis/client/internal";
import { randomToken } from "@trellis/protocol";
import { CHUNK_BYTES, UPLOAD_ID_CHARACTERS } from "./object-layout.ts";
import { ObjectUpload } from "./object-upload.ts";
import { requireRoom } from "./require-room.ts";
import { StoreError } from "./store-error.ts";
import type { StoreParts } from "./store-parts.ts";
import type { StoreBody, StoredObject, StorePutOptions } from "./store-types.ts";

/** Stores one object from a body. */
export async function upload(
  parts: StoreParts,
  name: string,
  body: StoreBody,
  options: StorePutOptions,
): Promise<StoredObject> {
  const known = bodySize(body);
  requireRoom(parts.binding(), name, known ?? 0);
  stopWhenAborted(options.signal, name);
  const object = await ObjectUpload.begin(parts, randomToken(UPLOAD_ID_CHARACTERS), name, options);
  try {
    for await (const chunk of bodyChunks(body, CHUNK_BYTES)) {
      stopWhenAborted(options.signal, name);
      await object.write(chunk);
      options.onProgress?.({ bytes: object.size, totalBytes: known });
    }
    stopWhenAborted(options.signal, name);
    return await object.finish(await object.sum());
  } catch (error) {
    await object.abandon();
    throw error instanceof BodyFailed ? broken(error) : object.failure(error);
  }
}

function broken(error: BodyFailed): StoreError {
  return new StoreError("body_failed", `The body broke off: ${error.message}. Nothing was stored.`, {
    cause: error.cause,
  });
}

function stopWhenAborted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted === true)
    throw new StoreError("cancelled", `The upload of ${name} was cancelled; nothing was stored.`, {
      object: name,
      cause: signal.reason,
    });
}
