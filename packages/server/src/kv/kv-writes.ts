import { headers as newHeaders } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import { randomToken } from "@trellis/protocol";
import { persist } from "../jetstream/persist.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { holds } from "../jetstream/stored-message.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import type { BucketParts } from "./bucket-parts.ts";
import { KvError } from "./kv-error.ts";
import { keySubject } from "./kv-keys.ts";
import { endOf } from "./kv-record.ts";
import type { KvWritten } from "./kv-types.ts";

/** Names one conditional write, so that its author recognises it when the acknowledgement was lost. */
const WRITE_ID = "trellis-write";
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

/** A key that ended is remembered this long: longer than a watcher goes without reading everything again. */
export const END_KEPT_MS = 900_000;

/**
 * Writes to a bucket.
 *
 * 1. Nothing that breaks a limit or the schema is sent.
 * 2. A write whose answer was lost is looked for on the leader before it is sent again. A conditional write is recognised
 *    by its id, so it happens once; an unconditional put by its bytes, so between two puts of others it may happen twice.
 */
export class KvWrites<V> {
  readonly #parts: BucketParts<V>;

  constructor(parts: BucketParts<V>) {
    this.#parts = parts;
  }

  async put(key: string, value: V, ttlMs: number | undefined): Promise<KvWritten> {
    const { link, bucket, stream } = this.#parts;
    const subject = keySubject(bucket, key);
    const data = this.#encode(key, value);
    const headers = ttlMs === undefined ? undefined : this.#timeToLive(newHeaders(), key, ttlMs);
    const options = headers === undefined ? {} : { headers };
    const revision = await persist(link, async (attempts) => {
      if (attempts > 0) {
        const now = await stream.lastOfLeader(subject);
        if (now !== undefined && endOf(now) === undefined && holds(now, data)) return now.sequence;
      }
      return stream.store(subject, data, options);
    });
    return this.#written(key, revision);
  }

  async create(key: string, value: V, ttlMs: number | undefined): Promise<KvWritten> {
    const data = this.#encode(key, value);
    try {
      return await this.#conditional(key, data, 0, ttlMs);
    } catch (error) {
      if (!(error instanceof StreamRefused && error.isConflict)) throw error;
      // A key that ended has no value, yet its end is the last thing on its subject.
      const now = await this.#now(key);
      if (now !== undefined && endOf(now) === undefined)
        throw new KvError("conflict", `The key ${key} exists already in the bucket ${this.#parts.bucket}.`, {
          key,
          revision: now.sequence,
          cause: error,
        });
      return this.#conditional(key, data, now?.sequence ?? 0, ttlMs);
    }
  }

  async update(key: string, value: V, revision: number, ttlMs: number | undefined): Promise<KvWritten> {
    const data = this.#encode(key, value);
    return this.#explained(key, () => this.#conditional(key, data, revision, ttlMs));
  }

  async end(key: string, operation: "DEL" | "PURGE", revision: number | undefined): Promise<undefined> {
    const { link, bucket, stream, binding } = this.#parts;
    const subject = keySubject(bucket, key);
    const headers = newHeaders();
    headers.set("KV-Operation", operation);
    if (operation === "PURGE") headers.set("Nats-Rollup", "sub");
    // With history behind it, the end must stay: without it the value before would be the last again.
    if (operation === "PURGE" || binding().history === 1) headers.set("Nats-TTL", `${this.#parts.endKeptMs / 1_000}s`);
    if (revision === undefined) {
      const at = await persist(link, () => stream.store(subject, NOTHING, { headers }));
      this.#written(key, at);
    } else await this.#explained(key, () => this.#conditionally(key, NOTHING, revision, headers));
    return undefined;
  }

  #conditional(key: string, data: Uint8Array, revision: number, ttlMs: number | undefined): Promise<KvWritten> {
    const headers = newHeaders();
    if (ttlMs !== undefined) this.#timeToLive(headers, key, ttlMs);
    return this.#conditionally(key, data, revision, headers);
  }

  async #conditionally(key: string, data: Uint8Array, revision: number, headers: MsgHdrs): Promise<KvWritten> {
    const { link, bucket, stream } = this.#parts;
    const subject = keySubject(bucket, key);
    const id = randomToken(WRITE_ID_CHARACTERS);
    headers.set(WRITE_ID, id);
    headers.set(EXPECTED, String(revision));
    const written = await persist(link, async (attempts) => {
      if (attempts > 0) {
        const now = await stream.lastOfLeader(subject);
        if (now?.headers.get(WRITE_ID) === id) return now.sequence;
      }
      return stream.store(subject, data, { headers });
    });
    return this.#written(key, written);
  }

  /** Tells a key that changed from one that is not there. */
  async #explained(key: string, write: () => Promise<KvWritten>): Promise<KvWritten> {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StreamRefused && error.isConflict)) throw error;
      const now = await this.#now(key);
      if (now !== undefined && endOf(now) === undefined) throw error;
      throw new KvError("not_found", `The key ${key} does not exist in the bucket ${this.#parts.bucket}.`, {
        key,
        cause: error,
      });
    }
  }

  async #now(key: string): Promise<StoredMessage | undefined> {
    const { link, bucket, stream, newest } = this.#parts;
    const now = await persist(link, () => stream.lastOfLeader(keySubject(bucket, key)));
    newest.set(key, now?.sequence);
    return now;
  }

  #encode(key: string, value: V): Uint8Array {
    const { values, binding, bucket } = this.#parts;
    const data = values.encode(key, value);
    const { maxValueBytes } = binding();
    if (maxValueBytes !== undefined && data.length > maxValueBytes)
      throw new KvError(
        "value_too_large",
        `The value for ${key} is ${data.length} bytes; the contract allows ${maxValueBytes} in the bucket ${bucket}. Store less, or raise maxValueBytes.`,
        { key },
      );
    return data;
  }

  #timeToLive(headers: MsgHdrs, key: string, ttlMs: number): MsgHdrs {
    if (!Number.isFinite(ttlMs) || ttlMs <= 0)
      throw new KvError("invalid_value", `A time to live is a number of milliseconds above 0, not ${ttlMs}.`, { key });
    headers.set("Nats-TTL", `${Math.ceil(ttlMs / 1_000)}s`);
    // When a value with older ones behind it expires, the last of those would come back.
    if (this.#parts.binding().history > 1) headers.set("Nats-Rollup", "sub");
    return headers;
  }

  #written(key: string, revision: number): KvWritten {
    this.#parts.newest.saw(key, revision);
    return { key, revision };
  }
}

const NOTHING = new Uint8Array(0);
const WRITE_ID_CHARACTERS = 16;
