/** Every limit of an outbox, in one place. */
export const OUTBOX_LIMITS = {
  /** Events that may wait; beyond it `add` refuses, so that a long outage fails loudly instead of filling the disk. */
  maxWaiting: 100_000,
  /** Events a replica takes at once: enough to keep publishing busy, little enough to be taken over quickly. */
  batch: 256,
  /** Subjects that are published side by side; within one it is one event after the other. */
  lanes: 64,
  /** How long a replica that died holds what it took. */
  leaseMs: 30_000,
  /** How often to look when nobody says that something was added. */
  pollMs: 1_000,
  /** The longest pause after publishing, or the database, failed. */
  longestPauseMs: 5_000,
  /** Events of a name that the contract does not have may wait so long, as in a rolling upgrade, before somebody is told. */
  strangerMs: 300_000,
  /** Events one key of a bucket may hold until they are published: they are part of its value. */
  maxWaitingPerKey: 100,
} as const;

/** Every limit of an inbox, in one place. */
export const INBOX_LIMITS = {
  /** Longer than an event can come again: a week in the stream, then a month as a dead letter that somebody replays. */
  keepMs: 37 * 86_400_000,
  /** How often what is older is forgotten, while events come. */
  pruneEveryMs: 600_000,
  /** Rows forgotten in one statement, so that nobody waits for long. */
  pruneBatch: 1_000,
  /** Events one key of a bucket remembers: they are part of its value. */
  keptPerKey: 256,
} as const;
