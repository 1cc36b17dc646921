import { headers as newHeaders } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
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
}

const RESERVED_BYTES = 2_048;

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

  /** Writes a record; expecting a sequence, only over that one. Answers its sequence. */
  write(id: string, record: UploadRecord, expected?: number): Promise<number> {
    const headers = newHeaders();
    headers.set("Nats-Rollup", "sub");
    if (expected !== undefined) headers.set("Nats-Expected-Last-Subject-Sequence", String(expected));
    const text = JSON.stringify(record);
    const data = encoder.encode(record.state === "uploading" ? text.padEnd(RESERVED_BYTES) : text);
    return persist(this.#link, () => this.#stream.store(this.subject(id), data, { headers }));
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
