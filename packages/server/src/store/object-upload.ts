import type { Sha256Stream } from "@trellis/protocol";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { makeVisible } from "./make-visible.ts";
import type { ObjectAbout } from "./make-visible.ts";
import { chunkSubject, descriptionSubject, digestText } from "./object-layout.ts";
import { PublishWindow } from "./publish-window.ts";
import { requireRoom } from "./require-room.ts";
import { StoreError, toStoreError } from "./store-error.ts";
import { findObject } from "./store-parts.ts";
import type { StoreParts } from "./store-parts.ts";
import type { StoredObject } from "./store-types.ts";
import type { UploadRecord } from "./upload-records.ts";
import { uploadedChunks } from "./uploaded-chunks.ts";

/** A living upload says so this often, or three times as often as it may be silent; see `abandoned-uploads.ts`. */
const ALIVE_EVERY_MS = 60_000;

interface Found {
  readonly record: UploadRecord;
  readonly sequence: number;
}

/** What the bytes turned out to be. */
export interface ObjectSum {
  readonly size: number;
  readonly digest: Uint8Array;
}

/**
 * One upload into a store, chunk by chunk. The description comes last and under the condition that nobody has taken the
 * upload over or given it up meanwhile, so an object is there whole or not at all.
 *
 * 1. Whoever wants to go on with an upload that another process began replaces its record first. The other then cannot
 *    describe it any more, and does not remove its chunks either.
 */
export class ObjectUpload {
  readonly id: string;
  readonly #parts: StoreParts;
  readonly #about: ObjectAbout;
  readonly #window: PublishWindow;
  readonly #hash: Sha256Stream;
  readonly #kept: UploadRecord;
  #record: number;
  #size = 0;
  #chunks = 0;
  #aliveAt = performance.now();

  private constructor(parts: StoreParts, id: string, kept: UploadRecord, record: number, about: ObjectAbout) {
    const { link, stream, bucket } = parts;
    this.#parts = parts;
    this.id = id;
    this.#kept = kept;
    this.#record = record;
    this.#about = about;
    this.#hash = parts.newHash();
    this.#window = new PublishWindow({ link, stream, subject: chunkSubject(bucket, id), id });
  }

  /** Begins an upload: its record is there before its first chunk. */
  static async begin(parts: StoreParts, id: string, name: string, about: ObjectAbout): Promise<ObjectUpload> {
    // Refuses a name that is none before anything is sent.
    descriptionSubject(parts.bucket, name);
    requireRoom(parts.binding(), name, 0);
    const kept: UploadRecord = { name, state: "uploading" };
    return new ObjectUpload(parts, id, kept, await parts.records.write(id, kept, 0), about);
  }

  /** Goes on with an upload whose record was at this sequence: takes it over, and reads what is there of it. */
  static async resume(parts: StoreParts, id: string, found: Found, signal: AbortSignal): Promise<ObjectUpload> {
    const record = await parts.records.write(id, found.record, found.sequence);
    const upload = new ObjectUpload(parts, id, found.record, record, found.record.transfer ?? {});
    await upload.#readBack(signal);
    return upload;
  }

  get name(): string {
    return this.#kept.name;
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#size;
  }

  /** Chunks that are stored, all before them too. */
  get stored(): number {
    return this.#window.stored;
  }

  /** Told whenever `stored` has grown, or the writing of chunks has failed. */
  set onStored(listener: () => void) {
    this.#window.onLanding = listener;
  }

  /** Takes the next chunk as soon as there is room; it must not be written to again. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    requireRoom(this.#parts.binding(), this.name, this.#size);
    this.#hash.update(chunk);
    await this.#window.send(this.#chunks, chunk);
    this.#chunks += 1;
    const now = performance.now();
    const { transfer } = this.#kept;
    const everyMs = transfer === undefined ? ALIVE_EVERY_MS : Math.min(ALIVE_EVERY_MS, transfer.idleMs / 3);
    if (now - this.#aliveAt < everyMs) return;
    this.#aliveAt = now;
    this.#record = await this.#parts.records.write(this.id, this.#kept, this.#record);
  }

  /** Whether something that was sent has to be sent again, or has failed. */
  get needsCare(): boolean {
    return this.#window.needsCare;
  }

  /** Sends again what was lost; throws what cannot be mended. */
  catchUp(): Promise<void> {
    return this.#window.catchUp();
  }

  /** Resolves when every chunk is stored, in order, with what they are together. */
  async sum(): Promise<ObjectSum> {
    await this.#window.finish();
    return { size: this.#size, digest: this.#hash.digest() };
  }

  /** Makes the object visible, in place of one of the same name. */
  finish({ size, digest }: ObjectSum): Promise<StoredObject> {
    const { id, name } = this;
    const underWay = { id, name, record: this.#record, transfer: this.#kept.transfer };
    const stored = { size, chunks: this.#chunks, digest: digestText(digest), first: this.#window.first };
    return makeVisible(this.#parts, underWay, stored, this.#about);
  }

  /** Gives it up and removes its chunks, unless somebody else goes on with it. */
  async abandon(): Promise<void> {
    await this.#window.settled();
    try {
      await giveUp(this.#parts, this.id, this.#kept, this.#record);
    } catch {
      // It is somebody else's now; or NATS is away, and the sweep of abandoned uploads removes it.
    }
  }

  /** What an error of the methods above means; the upload is over. Bugs pass through. */
  failure(error: unknown): StoreError {
    if (!(error instanceof StreamRefused && error.isConflict))
      return toStoreError(error, this.#parts.bucket, this.name);
    return new StoreError(
      "interrupted",
      `The upload of ${this.name} gave no sign of life for so long that it was given up, or another replica goes on with it. Nothing was stored by this one.`,
      { object: this.name, cause: error },
    );
  }

  async #readBack(signal: AbortSignal): Promise<void> {
    for await (const message of uploadedChunks(this.#parts, this, Number.POSITIVE_INFINITY)) {
      signal.throwIfAborted();
      this.#hash.update(message.data);
      this.#window.found(this.#chunks, message.sequence);
      this.#size += message.data.length;
      this.#chunks += 1;
    }
  }
}

/**
 * Gives an upload up whose record is at this sequence, and removes its chunks; answers whether it did. Its author can then
 * no longer describe it; if it did so just before, its record is put back.
 */
export async function giveUp(parts: StoreParts, id: string, record: UploadRecord, sequence: number): Promise<boolean> {
  const { records } = parts;
  try {
    await records.write(id, { ...record, state: "abandoned" }, sequence);
  } catch (error) {
    // Without room for the note there is room again once the chunks are gone.
    if (!(error instanceof StreamRefused && error.isFull)) throw error;
  }
  if ((await findObject(parts, record.name, true))?.description.nuid === id) {
    await records.write(id, { ...record, state: "stored" });
    return false;
  }
  await records.remove(id);
  return true;
}
