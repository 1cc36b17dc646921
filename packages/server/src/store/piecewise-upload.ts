import { bodyChunks } from "@trellis/client/internal";
import { randomToken } from "@trellis/protocol";
import { AsyncResult } from "@trellis/result";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { persist } from "../jetstream/persist.ts";
import { makeVisible } from "./make-visible.ts";
import type { UploadUnderWay } from "./make-visible.ts";
import {
  CHUNK_BYTES,
  chunkSubject,
  descriptionSubject,
  digestText,
  toObject,
  UPLOAD_ID_CHARACTERS,
} from "./object-layout.ts";
import { PublishWindow } from "./publish-window.ts";
import { requireRoom } from "./require-room.ts";
import { StoreError, toStoreError } from "./store-error.ts";
import { findObject, type StoreParts } from "./store-parts.ts";
import type { StoredObject } from "./store-types.ts";
import type { UploadRecord } from "./upload-records.ts";
import { uploadedChunks } from "./uploaded-chunks.ts";

/**
 * An upload whose pieces may come through different processes, none of which keeps anything of it: all there is to know is
 * in the store. Pieces come one after the other; one that is sent again is stored once.
 */
export interface PiecewiseUploads {
  /** Begins one; answers its id. */
  begin(name: string, size: number): AsyncResult<string, StoreError>;
  /** Stores a piece: as many whole chunks as every piece but the last one has. */
  piece(id: string, index: number, bytes: Uint8Array): AsyncResult<undefined, StoreError>;
  /** Reads what arrived, and makes it an object if it is what was sent. */
  finish(
    id: string,
    sent: { readonly size: number; readonly digest: string; readonly contentType?: string },
  ): AsyncResult<StoredObject, StoreError>;
  cancel(id: string): AsyncResult<undefined, StoreError>;
}

/** A record this old is renewed by the next piece, long before the upload counts as dead. */
const RENEW_AFTER_MS = 60_000;

/** Uploads into one store in pieces of `pieceBytes`, a multiple of the chunks. */
export function piecewiseUploads(parts: StoreParts, pieceBytes: number): PiecewiseUploads {
  const { bucket, records, binding } = parts;
  const chunksInPiece = pieceBytes / CHUNK_BYTES;
  const run = <T>(body: () => Promise<T>): AsyncResult<T, StoreError> =>
    new AsyncResult<T, StoreError>(attempt(body, bucket));
  return {
    begin: (name, size) =>
      run(async () => {
        descriptionSubject(bucket, name);
        requireRoom(binding(), name, size);
        const id = randomToken(UPLOAD_ID_CHARACTERS);
        await records.write(id, { name, state: "uploading" }, 0);
        return id;
      }),
    piece: (id, index, bytes) =>
      run(async () => {
        const underWay = await find(parts, id);
        if (Date.now() - underWay.at > RENEW_AFTER_MS)
          await records.write(id, { name: underWay.name, state: "uploading" }, underWay.record);
        const window = new PublishWindow({ ...parts, subject: chunkSubject(bucket, id), id });
        let chunk = index * chunksInPiece;
        for await (const data of bodyChunks(bytes, CHUNK_BYTES)) {
          await window.send(chunk, data);
          chunk += 1;
        }
        await window.finish();
        return undefined;
      }),
    finish: (id, { contentType, ...sent }) =>
      run(async () => {
        const underWay = await find(parts, id, ["uploading", "stored"]);
        if (underWay.state === "stored") return finishedBefore(parts, underWay);
        requireRoom(binding(), underWay.name, sent.size);
        const stored = await readBack(parts, underWay, Math.ceil(sent.size / CHUNK_BYTES));
        if (stored.size !== sent.size || stored.digest !== sent.digest) {
          await records.remove(id);
          throw new StoreError(
            "corrupt",
            `What arrived of ${underWay.name} is not what was sent: ${stored.size} of ${sent.size} bytes. Nothing was stored; upload it again.`,
            { object: underWay.name },
          );
        }
        return makeVisible(parts, underWay, stored, contentType === undefined ? {} : { contentType });
      }),
    cancel: (id) =>
      run(async () => {
        await find(parts, id);
        await records.remove(id);
        return undefined;
      }),
  };
}

interface FoundUpload extends UploadUnderWay {
  readonly state: UploadRecord["state"];
  readonly at: number;
}

async function find(
  { link, stream, records }: StoreParts,
  id: string,
  states: readonly UploadRecord["state"][] = ["uploading"],
): Promise<FoundUpload> {
  const message = await persist(link, () => stream.lastOfLeader(records.subject(id)));
  const record = message === undefined ? undefined : records.read(message);
  if (message === undefined || record === undefined || !states.includes(record.state)) throw ended();
  return { id, record: message.sequence, name: record.name, state: record.state, at: Date.parse(message.time) };
}

/** Whoever asks a second time did not hear the first answer. */
async function finishedBefore(parts: StoreParts, { id, name }: UploadUnderWay): Promise<StoredObject> {
  const found = await findObject(parts, name, true);
  if (found?.description.nuid !== id) throw ended();
  return toObject(found.description, found.message);
}

function ended(): StoreError {
  return new StoreError(
    "interrupted",
    "This upload has ended: it was finished, cancelled or given up. Begin it again.",
  );
}

async function readBack(parts: StoreParts, underWay: UploadUnderWay, chunks: number) {
  const hash = parts.newHash();
  let size = 0;
  let count = 0;
  let first: number | undefined;
  for await (const message of uploadedChunks(parts, underWay, chunks)) {
    first ??= message.sequence;
    hash.update(message.data);
    size += message.data.length;
    count += 1;
  }
  return { size, chunks: count, digest: digestText(hash.digest()), first };
}

async function attempt<T>(body: () => Promise<T>, bucket: string): Promise<Result<T, StoreError>> {
  try {
    return ok(await body());
  } catch (error) {
    return err(toStoreError(error, bucket));
  }
}
