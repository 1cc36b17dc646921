import type { Link } from "@trellis/client/internal";
import type { JsonSchema, KvBinding } from "@trellis/contracts";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { OwnStream } from "../jetstream/own-stream.ts";
import { toKvError } from "./kv-error.ts";
import type { KvError } from "./kv-error.ts";
import { KvReads } from "./kv-reads.ts";
import type {
  KvChange,
  KvEntry,
  KvHistoryEntry,
  KvPage,
  KvPageRequest,
  KvStatus,
  KvWatchOptions,
  KvWritten,
} from "./kv-types.ts";
import { KvValues } from "./kv-values.ts";
import type { Migrate } from "./kv-values.ts";
import { watchBucket } from "./kv-watch.ts";
import type { WatchTimes } from "./kv-watch.ts";
import { END_KEPT_MS, KvWrites } from "./kv-writes.ts";
import { NewestRevisions } from "./newest-revisions.ts";

/** One bucket of a service, with the values its contract declares. */
export interface Kv<V = unknown> {
  /** The value of a key, or `undefined`. Never older than what this process has seen; `fresh` asks the leader. */
  get(key: string, options?: { readonly fresh?: boolean }): AsyncResult<KvEntry<V> | undefined, KvError>;
  /** Stores whatever was there before. */
  put(key: string, value: V, options?: KvWriteOptions): AsyncResult<KvWritten, KvError>;
  /** Stores only if the key has no value; otherwise `conflict`. */
  create(key: string, value: V, options?: KvWriteOptions): AsyncResult<KvWritten, KvError>;
  /** Stores only if the key is still at this revision; otherwise `conflict` or `not_found`. */
  update(key: string, value: V, revision: number, options?: KvWriteOptions): AsyncResult<KvWritten, KvError>;
  /** Ends a key; its history stays. With a revision only if it is still at that one. */
  delete(key: string, options?: { readonly revision?: number }): AsyncResult<undefined, KvError>;
  /** Ends a key and forgets its history. */
  purge(key: string, options?: { readonly revision?: number }): AsyncResult<undefined, KvError>;
  /** The keys that have a value; `*` in the filter stands for one token, a last `>` for all that follow. */
  keys(filter?: string): AsyncResult<string[], KvError>;
  /** The same with their values. */
  entries(filter?: string): AsyncResult<KvEntry<V>[], KvError>;
  /** A part of the entries in the order of the last writes, for buckets that are too large to list at once. */
  page(filter: string, request: KvPageRequest): AsyncResult<KvPage<V>, KvError>;
  /**
   * The present entries, then `ready`, then every change, until the signal aborts or the loop is left. A slow reader skips
   * values that were replaced meanwhile, never the last one; nothing is lost over reconnections and restarts.
   */
  watch(filter?: string, options?: KvWatchOptions): AsyncIterable<KvChange<V>>;
  /** What is kept of a key, oldest first. */
  history(key: string): AsyncResult<KvHistoryEntry<V>[], KvError>;
  /** Limits and contents; reads the whole bucket. */
  status(): AsyncResult<KvStatus, KvError>;
}

export interface KvWriteOptions {
  /** The key expires after this long, by whole seconds; in a bucket with history not before two minutes. */
  readonly ttlMs?: number;
}

export interface KvParts<V> {
  readonly link: Link;
  /** Read at every use: limits change while a service runs. */
  readonly binding: () => KvBinding;
  readonly schema: JsonSchema;
  readonly migrate?: Migrate<V> | undefined;
  /** How long a key that ended is remembered; longer than a watch goes between two readings. */
  readonly endKeptMs?: number;
  /** For tests. */
  readonly times?: Partial<WatchTimes>;
}

/** A bucket over a link. */
export function createKv<V>(parts: KvParts<V>): Kv<V> {
  const { link, binding, endKeptMs = END_KEPT_MS } = parts;
  const { bucket } = binding();
  const stream = new OwnStream(link, `KV_${bucket}`);
  const values = new KvValues(parts.schema, parts.migrate);
  const newest = new NewestRevisions();
  const bucketParts = { link, bucket, stream, values, newest, binding, endKeptMs };
  const reads = new KvReads(bucketParts);
  const writes = new KvWrites(bucketParts);
  const run = <T>(key: string | undefined, body: () => Promise<T>): AsyncResult<T, KvError> =>
    new AsyncResult<T, KvError>(attempt(body, bucket, key));

  return {
    get: (key, options) => run(key, () => reads.get(key, options?.fresh === true)),
    put: (key, value, options) => run(key, () => writes.put(key, value, options?.ttlMs)),
    create: (key, value, options) => run(key, () => writes.create(key, value, options?.ttlMs)),
    update: (key, value, revision, options) => run(key, () => writes.update(key, value, revision, options?.ttlMs)),
    delete: (key, options) => run(key, () => writes.end(key, "DEL", options?.revision)),
    purge: (key, options) => run(key, () => writes.end(key, "PURGE", options?.revision)),
    keys: (filter = ">") => run(undefined, () => reads.keys(filter)),
    entries: (filter = ">") => run(undefined, () => reads.entries(filter)),
    page: (filter, request) => run(undefined, () => reads.page(filter, request)),
    watch: (filter = ">", options = {}) => watchBucket(bucketParts, filter, options, parts.times),
    history: (key) => run(key, () => reads.history(key)),
    status: () => run(undefined, () => reads.status()),
  };
}

async function attempt<T>(
  body: () => Promise<T>,
  bucket: string,
  key: string | undefined,
): Promise<Result<T, KvError>> {
  try {
    return ok(await body());
  } catch (error) {
    return err(toKvError(error, bucket, key));
  }
}
