import type { KvError } from "./kv-error.ts";
import type { KvEnd } from "./kv-record.ts";

/** A key and its value. */
export interface KvEntry<V> {
  readonly key: string;
  readonly value: V;
  /** Grows with every write to the bucket; `update` takes it. */
  readonly revision: number;
  /** When it was stored, by the clock of NATS. */
  readonly at: Date;
}

/** What a write made. */
export interface KvWritten {
  readonly key: string;
  readonly revision: number;
}

/** What is stored under a key. */
export type KvStored<V> =
  | ({ readonly type: "put" } & KvEntry<V>)
  /** Stored by somebody else's rules: it does not fit the schema, and no migration made it fit. */
  | {
      readonly type: "invalid";
      readonly key: string;
      readonly revision: number;
      readonly at: Date;
      readonly error: KvError;
    };

/** What happened to a key. */
export type KvHistoryEntry<V> = KvStored<V> | KvEnded;

/** A key has no value any more. */
export interface KvEnded {
  readonly type: "end";
  readonly key: string;
  /** `gone`: it was missing when everything was read again, and nothing says why. */
  readonly reason: KvEnd | "gone";
  readonly revision: number;
  readonly at: Date;
}

/** What a watch tells; `ready` comes once, when everything there was has been told. */
export type KvChange<V> = KvHistoryEntry<V> | { readonly type: "ready" };

/** Which part of a bucket is read. */
export interface KvPageRequest {
  /** Where the part before ended: its `next`. */
  readonly from?: number;
  /** The most that is read; ended keys among it are left out of the answer. */
  readonly limit: number;
  /** Reading stops when the values together are larger than this. */
  readonly maxBytes?: number;
}

/** A part of a bucket in the order of the last writes. */
export interface KvPage<V> {
  readonly entries: readonly KvStored<V>[];
  /** Where the next part begins; absent after the last. */
  readonly next?: number;
}

/** What a bucket is and holds. */
export interface KvStatus {
  readonly bucket: string;
  readonly history: number;
  /** 0: values do not expire unless a put says so. */
  readonly ttlMs: number;
  readonly maxValueBytes: number | undefined;
  /** Keys that have a value, and the bytes of everything kept, history included. */
  readonly keys: number;
  readonly bytes: number;
  /** Of the last write that is still there. */
  readonly revision: number;
}

/** How a bucket is watched. */
export interface KvWatchOptions {
  readonly signal?: AbortSignal;
  /** `false` leaves out the entries there are at the beginning. */
  readonly initial?: boolean;
  /** Larger values are not held in memory until the reader comes to them: they are read again then. */
  readonly holdBytes?: number;
}
