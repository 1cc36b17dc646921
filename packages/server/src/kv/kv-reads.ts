import { persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import type { BucketParts } from "./bucket-parts.ts";
import { KvError } from "./kv-error.ts";
import { filterSubject, keySubject } from "./kv-keys.ts";
import { endOf } from "./kv-record.ts";
import type { KvEntry, KvHistoryEntry, KvPage, KvPageRequest, KvStatus, KvStored } from "./kv-types.ts";

/** Reads of a bucket. */
export class KvReads<V> {
  readonly #parts: BucketParts<V>;

  constructor(parts: BucketParts<V>) {
    this.#parts = parts;
  }

  async get(key: string, fresh: boolean): Promise<KvEntry<V> | undefined> {
    const { link, bucket, values } = this.#parts;
    const subject = keySubject(bucket, key);
    const stored = await persist(link, () => this.#last(key, subject, fresh));
    return stored === undefined || endOf(stored) !== undefined
      ? undefined
      : entryOf(key, stored, values.decode(key, stored.data));
  }

  async keys(filter: string): Promise<string[]> {
    return [...(await this.#listing(filter, () => undefined)).keys()];
  }

  async entries(filter: string): Promise<KvEntry<V>[]> {
    const { values } = this.#parts;
    const found = await this.#listing(filter, (key, message): KvEntry<V> | KvError => {
      try {
        return entryOf(key, message, values.decode(key, message.data));
      } catch (error) {
        // It may be replaced further on; what is left at the end counts.
        if (error instanceof KvError) return error;
        throw error;
      }
    });
    return Array.from(found.values(), (entry) => {
      if (entry instanceof KvError) throw entry;
      return entry;
    });
  }

  async page(filter: string, { from = 1, limit, maxBytes }: KvPageRequest): Promise<KvPage<V>> {
    const { link, bucket, stream } = this.#parts;
    const root = `$KV.${bucket}`;
    const request = {
      from,
      subject: filterSubject(root, filter),
      messages: limit,
      ...(maxBytes === undefined ? {} : { bytes: maxBytes }),
    };
    return persist(link, async () => {
      const entries: KvStored<V>[] = [];
      const next = await stream.readPart(request, (message) => {
        const change = this.read(message.subject.slice(root.length + 1), message);
        if (change.type !== "end") entries.push(change);
      });
      return { entries, ...(next === undefined ? {} : { next }) };
    });
  }

  async history(key: string): Promise<KvHistoryEntry<V>[]> {
    const { link, bucket, stream } = this.#parts;
    const subject = keySubject(bucket, key);
    return persist(link, async () => {
      const found: StoredMessage[] = [];
      await stream.readThrough(subject, 1, (message) => found.push(message));
      return found.map((message) => this.read(key, message));
    });
  }

  async status(): Promise<KvStatus> {
    const { link, bucket, stream, binding } = this.#parts;
    const { history, ttlMs, maxValueBytes } = binding();
    return persist(link, async () => {
      const live = new Set<string>();
      let bytes = 0;
      const revision = await stream.readThrough(filterSubject(`$KV.${bucket}`, ">"), 1, (message) => {
        bytes += message.data.length;
        if (endOf(message) === undefined) live.add(message.subject);
        else live.delete(message.subject);
      });
      return { bucket, history, ttlMs, maxValueBytes, keys: live.size, bytes, revision };
    });
  }

  /** What a stored message tells whoever looks at changes. */
  read(key: string, message: StoredMessage): KvHistoryEntry<V> {
    return readChange(this.#parts, key, message);
  }

  /** The last message of a key, never older than one this process has seen. */
  async #last(key: string, subject: string, fresh: boolean): Promise<StoredMessage | undefined> {
    const { stream, newest } = this.#parts;
    if (!fresh) {
      const known = newest.get(key);
      const near = await stream.last(subject);
      if (known === undefined || (near !== undefined && near.sequence >= known)) {
        if (near !== undefined) newest.saw(key, near.sequence);
        return near;
      }
    }
    const stored = await stream.lastOfLeader(subject);
    newest.set(key, stored?.sequence);
    return stored;
  }

  /** What the last message of every key that has a value was made into, in the order they were written. */
  #listing<T>(filter: string, make: (key: string, message: StoredMessage) => T): Promise<Map<string, T>> {
    const { link, bucket, stream } = this.#parts;
    const root = `$KV.${bucket}`;
    const subject = filterSubject(root, filter);
    return persist(link, async () => {
      const found = new Map<string, T>();
      await stream.readThrough(subject, 1, (message) => {
        const key = message.subject.slice(root.length + 1);
        // Deleted first, so that the order is that of the last writes.
        found.delete(key);
        if (endOf(message) === undefined) found.set(key, make(key, message));
      });
      return found;
    });
  }
}

/** A stored message as a change; what cannot be read is told as such, because a watch must go on. */
export function readChange<V>({ values }: BucketParts<V>, key: string, message: StoredMessage): KvHistoryEntry<V> {
  const facts = { key, revision: message.sequence, at: new Date(message.time) };
  const end = endOf(message);
  if (end !== undefined) return { type: "end", reason: end, ...facts };
  try {
    return { type: "put", value: values.decode(key, message.data), ...facts };
  } catch (error) {
    if (error instanceof KvError) return { type: "invalid", error, ...facts };
    throw error;
  }
}

function entryOf<V>(key: string, message: StoredMessage, value: V): KvEntry<V> {
  return { key, value, revision: message.sequence, at: new Date(message.time) };
}
