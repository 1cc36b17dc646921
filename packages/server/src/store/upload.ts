import { headers as newHeaders } from "@nats-io/nats-core";
import { randomToken } from "@trellis/protocol";
import { persist } from "../jetstream/persist.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { bodyChunks } from "./body-chunks.ts";
import { CHUNK_BYTES, chunkSubject, descriptionSubject, digestText, toObject } from "./object-layout.ts";
import type { ObjectDescription } from "./object-layout.ts";
import { PublishWindow } from "./publish-window.ts";
import { StoreError } from "./store-error.ts";
import { findObject } from "./store-parts.ts";
import type { StoreParts } from "./store-parts.ts";
import type { StoreBody, StoredObject, StorePutOptions } from "./store-types.ts";

/** A living upload says so this often; see `abandoned-uploads.ts`. */
const ALIVE_EVERY_MS = 60_000;
export const UPLOAD_ID_CHARACTERS = 22;
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

/**
 * Stores one object. Its description comes last and under the condition that nobody has given the upload up meanwhile, so an
 * object is there whole or not at all.
 */
export async function upload(
  parts: StoreParts,
  name: string,
  body: StoreBody,
  options: StorePutOptions,
): Promise<StoredObject> {
  const { link, bucket, stream, records, binding } = parts;
  // Refuses a name that is none before anything is sent.
  descriptionSubject(bucket, name);
  const known = body instanceof Uint8Array ? body.length : undefined;
  requireRoom(binding(), name, known ?? 0);
  stopWhenAborted(options.signal, name);

  const id = randomToken(UPLOAD_ID_CHARACTERS);
  let record = await records.write(id, { name, state: "uploading" }, 0);
  const window = new PublishWindow({ link, stream, subject: chunkSubject(bucket, id), id });
  try {
    const hash = parts.newHash();
    let size = 0;
    let chunks = 0;
    let aliveAt = performance.now();
    for await (const chunk of bodyChunks(body, CHUNK_BYTES)) {
      stopWhenAborted(options.signal, name);
      size += chunk.length;
      requireRoom(binding(), name, size);
      hash.update(chunk);
      await window.send(chunks, chunk);
      chunks += 1;
      options.onProgress?.({ bytes: size, totalBytes: known });
      if (performance.now() - aliveAt < ALIVE_EVERY_MS) continue;
      record = await records.write(id, { name, state: "uploading" }, record);
      aliveAt = performance.now();
    }
    stopWhenAborted(options.signal, name);
    await window.finish();
    const made = { size, chunks, digest: digestText(hash.digest()), first: window.first };
    return await makeVisible(parts, { id, record, name }, made, options);
  } catch (error) {
    await window.settled();
    await records.remove(id).catch(() => undefined);
    if (error instanceof StreamRefused && error.isConflict)
      throw new StoreError(
        "interrupted",
        `The upload of ${name} gave no sign of life for so long that it was given up. Nothing was stored; upload it again.`,
        { object: name, cause: error },
      );
    throw error;
  }
}

/** What an upload has stored by the time it is complete. */
export interface StoredChunks {
  readonly size: number;
  readonly chunks: number;
  readonly digest: string;
  /** Where the first of them is. */
  readonly first: number | undefined;
}

/** An upload under way: its id, and where its record stood last. */
export interface UploadUnderWay {
  readonly id: string;
  readonly record: number;
  readonly name: string;
}

/** Describes what was uploaded, and with that makes it an object. */
export async function makeVisible(
  parts: StoreParts,
  underWay: UploadUnderWay,
  { size, chunks, digest, first }: StoredChunks,
  { contentType, metadata }: Pick<StorePutOptions, "contentType" | "metadata">,
): Promise<StoredObject> {
  const { bucket } = parts;
  const { id, name } = underWay;
  const subject = descriptionSubject(bucket, name);
  const description: ObjectDescription = {
    name,
    ...(contentType === undefined ? {} : { headers: { "Content-Type": [contentType] } }),
    ...(metadata === undefined ? {} : { metadata }),
    options: { max_chunk_size: CHUNK_BYTES },
    bucket,
    nuid: id,
    size,
    chunks,
    digest,
    mtime: new Date().toISOString(),
    ...(first === undefined ? {} : { trellis: { first } }),
  };
  const replaced = await findObject(parts, name, true);
  const sequence = await describe(parts, subject, description, underWay);
  parts.newest.saw(name, sequence);
  // What follows only tidies up: whatever is left of it, the sweep of abandoned uploads does.
  void tidy(parts, id, name, replaced?.description.nuid);
  return toObject(description, {
    subject,
    sequence,
    time: description.mtime,
    data: NOTHING,
    headers: { get: () => "" },
  });
}

/** Writes a description while the upload's record is still ours; a lost acknowledgement is looked for first. */
async function describe(
  { link, stream, records }: StoreParts,
  subject: string,
  description: ObjectDescription,
  upload: { readonly id: string; readonly record: number },
): Promise<number> {
  const headers = newHeaders();
  headers.set("Nats-Rollup", "sub");
  headers.set(EXPECTED, String(upload.record));
  headers.set(`${EXPECTED}-Subject`, records.subject(upload.id));
  const data = encoder.encode(JSON.stringify(description));
  return persist(link, async (attempts) => {
    if (attempts > 0) {
      const now = await stream.lastOfLeader(subject);
      if (now !== undefined && new TextDecoder().decode(now.data).includes(`"nuid":"${upload.id}"`))
        return now.sequence;
    }
    return stream.store(subject, data, { headers });
  });
}

async function tidy({ records }: StoreParts, id: string, name: string, replaced: string | undefined): Promise<void> {
  try {
    await records.write(id, { name, state: "stored" });
    if (replaced !== undefined && replaced !== id) await records.remove(replaced);
  } catch {
    // The sweep finds what is left.
  }
}

/** Refuses what is over a limit before it is sent. */
export function requireRoom(
  limits: { readonly maxObjectBytes?: number; readonly maxTotalBytes?: number; readonly bucket: string },
  name: string,
  bytes: number,
): void {
  const { maxObjectBytes, maxTotalBytes, bucket } = limits;
  if (maxObjectBytes !== undefined && bytes > maxObjectBytes)
    throw new StoreError(
      "object_too_large",
      `${name} is larger than the ${maxObjectBytes} bytes the contract allows for one object in ${bucket}. Nothing was stored; store less, or raise maxObjectBytes.`,
      { object: name },
    );
  if (maxTotalBytes !== undefined && bytes > maxTotalBytes)
    throw new StoreError(
      "store_full",
      `${name} is larger than the ${maxTotalBytes} bytes of the whole store ${bucket}. Nothing was stored; store less, or raise maxTotalBytes.`,
      { object: name },
    );
}

function stopWhenAborted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted === true)
    throw new StoreError("cancelled", `The upload of ${name} was cancelled; nothing was stored.`, {
      object: name,
      cause: signal.reason,
    });
}

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
