import { headers as newHeaders } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { randomToken } from "@trellis/protocol";
import type { OwnStream } from "../jetstream/own-stream.ts";
import { persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { chunkSubject } from "./object-layout.ts";

/**
 * Every upload leaves a record beside its chunks, from before the first chunk until they are removed: so that chunks
 * nobody describes can be found, whatever died. The tools of NATS do not look there.
 *
 * 1. A record that says `uploading` is written anew while the upload lives, and its description is stored only if the
 *    record is still the one its author wrote: whoever takes an upload for dead replaces the record first.
 * 2. A record takes room when it begins, and gives most of it back: what removes things needs a little itself.
 */
export interface UploadRecord {
  readonly name: string;
  readonly state: "uploading" | "stored" | "abandoned";
  /** Of an upload that a caller sends: what any replica needs to know to go on with it. */
  readonly transfer?: TransferTerms;
}

/** What a caller was granted. */
export interface TransferTerms {
  /** The operation the file is for, and which one of them. */
  readonly operation: string;
  readonly ref: string;
  /** The principal it was granted to. */
  readonly owner: string;
  /** How long it may stand still. */
  readonly idleMs: number;
  readonly maxBytes?: number | undefined;
  readonly contentType?: string | undefined;
  readonly metadata?: { readonly [name: string]: string } | undefined;
}

/** A record as it stands. */
export interface FoundRecord {
  readonly record: UploadRecord;
  readonly sequence: number;
  /** When it was written, in milliseconds since 1970, by the clock of NATS. */
  readonly at: number;
}

const RESERVED_BYTES = 2_016;

/** Tells one writing of a record from another. */
const WRITER = "trellis-writer";
const WRITER_CHARACTERS = 16;

/** Everything under this is gone a second later: JetStream lets its users replace, and replacements expire. */
const GONE = "1s";

export class UploadRecords {
  readonly #link: Link;
  readonly #stream: OwnStream;
  readonly #bucket: string;

  constructor(link: Link, stream: OwnStream, bucket: string) {
    this.#link = link;
    this.#stream = stream;
    this.#bucket = bucket;
  }

  /** The subjects of all records. */
  get all(): string {
    return `$O.${this.#bucket}.C.uploads.*`;
  }

  subject(id: string): string {
    return `$O.${this.#bucket}.C.uploads.${id}`;
  }

  idOf(record: StoredMessage): string {
    return record.subject.slice(record.subject.lastIndexOf(".") + 1);
  }

  /** The record of an upload, from the leader. */
  async find(id: string): Promise<FoundRecord | undefined> {
    const message = await persist(this.#link, () => this.#stream.lastOfLeader(this.subject(id)));
    const record = message === undefined ? undefined : this.read(message);
    if (message === undefined || record === undefined) return undefined;
    return { record, sequence: message.sequence, at: Date.parse(message.time) };
  }

  /** Writes a record; expecting a sequence, only over that one. Answers its sequence. */
  write(id: string, record: UploadRecord, expected?: number): Promise<number> {
    const headers = newHeaders();
    headers.set("Nats-Rollup", "sub");
    if (expected !== undefined) headers.set("Nats-Expected-Last-Subject-Sequence", String(expected));
    const text = JSON.stringify(record);
    const lives = record.state === "uploading";
    const data = encoder.encode(lives ? text.padEnd(RESERVED_BYTES) : text);
    const writer = randomToken(WRITER_CHARACTERS);
    // What tidies up is kept as small as it can be: it may have to fit into the last bytes of a full store.
    if (lives) headers.set(WRITER, writer);
    return persist(this.#link, async (attempts) => {
      try {
        return await this.#stream.store(this.subject(id), data, { headers });
      } catch (error) {
        if (attempts === 0 || !(error instanceof StreamRefused && error.isConflict)) throw error;
        // An earlier attempt may have been it, and only its answer was lost.
        const last = await this.#stream.lastOfLeader(this.subject(id));
        if (last?.headers.get(WRITER) === writer) return last.sequence;
        throw error;
      }
    });
  }

  read(message: StoredMessage): UploadRecord | undefined {
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(message.data));
      return isRecord(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /** Removes the chunks of an upload, then its record. */
  async remove(id: string): Promise<void> {
    await this.#clear(chunkSubject(this.#bucket, id));
    await this.#clear(this.subject(id));
  }

  async #clear(subject: string): Promise<void> {
    const headers = newHeaders();
    headers.set("Nats-Rollup", "sub");
    headers.set("Nats-TTL", GONE);
    const store = (): Promise<number> => persist(this.#link, () => this.#stream.store(subject, NOTHING, { headers }));
    for (let attempt = 1; ; attempt += 1) {
      try {
        await store();
        return;
      } catch (error) {
        // Even removing takes a few bytes; what was removed a second ago gives them back.
        if (!(error instanceof StreamRefused && error.isFull) || attempt === CLEAR_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }
}

const CLEAR_ATTEMPTS = 6;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

function isRecord(value: unknown): value is UploadRecord {
  return (
    typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" && "state" in value
  );
}
