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

/** What happened to a key. */
export type KvHistoryEntry<V> =
  | ({ readonly type: "put" } & KvEntry<V>)
  | KvEnded
  /** Stored by somebody else's rules: it does not fit the schema, and no migration made it fit. */
  | {
      readonly type: "invalid";
      readonly key: string;
      readonly revision: number;
      readonly at: Date;
      readonly error: KvError;
    };

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
}
