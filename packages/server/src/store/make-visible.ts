import { headers as newHeaders } from "@nats-io/nats-core";
import { persist } from "../jetstream/persist.ts";
import { CHUNK_BYTES, descriptionSubject, toObject } from "./object-layout.ts";
import type { ObjectDescription } from "./object-layout.ts";
import { findObject } from "./store-parts.ts";
import type { StoreParts } from "./store-parts.ts";
import type { StoredObject } from "./store-types.ts";
import type { TransferTerms } from "./upload-records.ts";

const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

/** What is known about an object before its bytes are. */
export interface ObjectAbout {
  readonly contentType?: string | undefined;
  readonly metadata?: { readonly [name: string]: string } | undefined;
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
  /** What a caller was granted, if a caller sends it. */
  readonly transfer?: TransferTerms | undefined;
}

/** Describes what was uploaded, and with that makes it an object. */
export async function makeVisible(
  parts: StoreParts,
  underWay: UploadUnderWay,
  { size, chunks, digest, first }: StoredChunks,
  { contentType, metadata }: ObjectAbout,
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
  void tidy(parts, underWay, replaced?.description.nuid);
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

async function tidy(
  { records }: StoreParts,
  { id, name, transfer }: UploadUnderWay,
  replaced: string | undefined,
): Promise<void> {
  try {
    await records.write(id, { name, state: "stored", ...(transfer === undefined ? {} : { transfer }) });
    if (replaced !== undefined && replaced !== id) await records.remove(replaced);
  } catch {
    // The sweep finds what is left.
  }
}

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
