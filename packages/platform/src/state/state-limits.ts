/** Limits of `trellis.state@v1` that an operator may change, and their reasons: see the settings. */
export interface StateLimits {
  /** Of one value as JSON. */
  readonly maxValueBytes: number;
  /** Of one contract of one user or device. */
  readonly maxEntries: number;
  /** Of all its contracts together: whoever runs an agent names its contract, and may name thousands. */
  readonly maxEntriesOfAll: number;
  /** Of one user or device, at each replica. */
  readonly requestsPerSecond: number;
  /** The whole bucket; -1 is no limit. */
  readonly maxBytes: number;
}

/** What cannot be changed, because the subject of an entry must fit into one line of the NATS protocol. */
export const MAX_KEY_BYTES = 200;

/** A page of a list travels in one message, which NATS bounds at 1 MiB; the last value may go over this. */
export const PAGE_BYTES = 256 * 1024;

/** Values up to here wait in memory for the reader of a watch; a thousand entries are a megabyte, larger ones are read again. */
export const HELD_BYTES = 1_024;

/** Watches one session may have open at a replica: a few stores in a few windows. */
export const MAX_WATCHES_PER_SESSION = 64;

/** The longest life of its own an entry may have; what lives longer does not need one. */
export const MAX_TTL_MS = 10 * 365 * 86_400_000;
