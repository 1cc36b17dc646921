/**
 * Bindings: the physical names reconciliation gave to what a contract declares. A participant learns them from its
 * bootstrap answer and never looks anything up; permission derivation turns them into exact subjects.
 */

/** Every stored event of the platform; `events.>` reaches it through the account split. */
export const EVENTS_STREAM = "EVENTS";
/** The truth about jobs, and the work queue sourced from it. */
export const JOBS_STREAM = "JOBS";
export const JOBS_WORK_STREAM = "JOBS_WORK";

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

export interface Bindings {
  /** The name a person gave the deployment; it appears in job subjects and in what operators see. */
  readonly service?: string;
  readonly kv: { readonly [alias: string]: KvBinding };
  readonly store: { readonly [alias: string]: StoreBinding };
  readonly jobs: { readonly [queue: string]: ConsumerBinding };
  readonly eventConsumers: { readonly [group: string]: ConsumerBinding };
}

export const NO_BINDINGS: Bindings = { kv: {}, store: {}, jobs: {}, eventConsumers: {} };
