/**
 * Bindings: the physical names reconciliation gave to what a contract declares. A participant learns them from its
 * bootstrap answer and never looks anything up; permission derivation turns them into exact subjects.
 */

/** Every stored event of the platform; `events.>` reaches it through the account split. */
export const EVENTS_STREAM = "EVENTS";
/** Events that a consumer group could not handle, until a person decides about them. */
export const DEAD_EVENTS_STREAM = "EVENTS_DEAD";

/** What a consumer group does where its contract is silent; reconciliation and the runtime must agree on it. */
export const EVENT_CONSUMER_DEFAULTS = {
  /** How long a delivery stays with a replica that does not say it lives. */
  ackWaitMs: 30_000,
  /**
   * With ordering by subject another replica takes over only when this has passed, so that nothing of its predecessor is
   * still out: short, because the runtime says every third of it that it lives.
   */
  concurrentAckWaitMs: 10_000,
  /** The priority group of a consumer that serves one replica at a time. */
  pinnedGroup: "one",
  /** Failed deliveries after which an event is a dead letter. */
  maxDeliver: 8,
  /** Pauses between deliveries, the last one repeated; about two minutes for all of them. */
  backoffMs: [500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000],
} as const;

/** The truth about jobs, and the work queue sourced from it. */
export const JOBS_STREAM = "JOBS";
export const JOBS_WORK_STREAM = "JOBS_WORK";
/** What replicas and creators agree on about jobs: who holds a unique key, who takes part in a limit, who works. */
export const JOBS_MARKS_STREAM = "JOBS_MARKS";

/** Priorities that are not the normal one; their work waits by itself. */
export const JOB_PRIORITIES = ["high", "low"] as const;
export type JobPriority = (typeof JOB_PRIORITIES)[number];

/**
 * `<prefix>.<stream>` with the body of `$JS.API.STREAM.MSG.GET` reads from the stream's leader. Participants have no other
 * name for it: under its own the server answers twice, first that their account has no JetStream.
 */
export const LEADER_READ_PREFIX = "trellis.leader";

export interface KvBinding {
  /** Bucket name: stream `KV_<bucket>`, subjects `$KV.<bucket>.>`, republished below `kvr.<bucket>.>`. */
  readonly bucket: string;
  readonly history: number;
  readonly ttlMs: number;
  readonly maxValueBytes?: number;
}

export interface StoreBinding {
  /** Bucket name: stream `OBJ_<bucket>`, subjects `$O.<bucket>.C.>` and `$O.<bucket>.M.>`. */
  readonly bucket: string;
  readonly ttlMs?: number;
  readonly maxTotalBytes?: number;
  readonly maxObjectBytes?: number;
}

/** A durable pull consumer somebody else provisioned. */
export interface ConsumerBinding {
  readonly stream: string;
  readonly consumer: string;
}

/** Where the work of a queue comes from. */
export interface JobsBinding extends ConsumerBinding {
  /** Consumers of the same stream, for the priorities that are not the normal one. */
  readonly priorities?: { readonly [P in JobPriority]: string };
}

/** Where the operations of a deployment live. */
export interface OperationsBinding {
  /** The stream of journals and inboxes. */
  readonly stream: string;
  /** The work queue, and the consumer that hands it out. */
  readonly work: ConsumerBinding;
}

/** What an operation follows where its contract is silent; reconciliation and the runtime must agree on it. */
export const OPERATION_DEFAULTS = {
  /** A replica that has not said for so long that it lives has lost the operation to another. */
  ackWaitMs: 10_000,
  maxAttempts: 5,
  /** Pauses between failed attempts, the last one repeated. */
  backoffMs: [1_000, 5_000, 30_000, 120_000],
  /** A week: whoever comes back after a holiday weekend still finds out. */
  retentionMs: 7 * 86_400_000,
} as const;

export interface Bindings {
  /** The name a person gave the deployment; it appears in job subjects and in what operators see. */
  readonly service?: string;
  readonly kv: { readonly [alias: string]: KvBinding };
  readonly store: { readonly [alias: string]: StoreBinding };
  readonly jobs: { readonly [queue: string]: JobsBinding };
  readonly eventConsumers: { readonly [group: string]: ConsumerBinding };
  /** Present when the contract has operations. */
  readonly operations?: OperationsBinding;
}

export const NO_BINDINGS: Bindings = { kv: {}, store: {}, jobs: {}, eventConsumers: {} };
