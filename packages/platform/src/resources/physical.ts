import { EVENT_CONSUMER_DEFAULTS, withReplays } from "@trellis/contracts";
import type {
  ConsumerResource,
  KvResource,
  OperationsResource,
  OperationsWorkResource,
  Owner,
  Resource,
  StoreResource,
} from "./resource-plan.ts";

/** A stream or consumer configuration as the JetStream API writes it. */
export interface PhysicalConfig {
  readonly [option: string]: unknown;
  readonly metadata?: { readonly [key: string]: string };
}

/** A stream reconciliation wants. */
export interface StreamConfig extends PhysicalConfig {
  readonly name: string;
}

/** What JetStream has, and for a stream how much is in it. */
export interface Existing {
  readonly config: PhysicalConfig;
  readonly bytes?: number;
}

/** A durable pull consumer reconciliation wants. */
export interface ConsumerConfig extends PhysicalConfig {
  readonly durable_name: string;
}

const NS_PER_MS = 1_000_000;

/** Longer than a watcher goes without a full listing (every 60 s), so nobody misses that a key ended. */
const DELETE_MARKER_NS = 15 * 60_000 * NS_PER_MS;

/** With history JetStream raises the life of a single key to that of the marker, so the marker is as short as it can be. */
const DELETE_MARKER_WITH_HISTORY_NS = 2 * 60_000 * NS_PER_MS;

/** A publisher that got no answer may try the same message id again for this long. */
const DUPLICATE_WINDOW_NS = 2 * 60_000 * NS_PER_MS;

/** The notes that objects were removed, with names as long as they may be, before the first of them gave its room back. */
const ROOM_TO_REMOVE_BYTES = 16 * 1024;

/** JetStream counts the headers of a message as part of its size; the limit of a contract is that of its values. */
const HEADER_BYTES = 512;

const OWNER_KEYS = { deployment: "trellis.deployment", lineage: "trellis.lineage", alias: "trellis.alias" } as const;

function ownerMetadata(owner: Owner): { readonly [key: string]: string } {
  return {
    [OWNER_KEYS.deployment]: owner.deployment,
    [OWNER_KEYS.lineage]: owner.lineage,
    [OWNER_KEYS.alias]: owner.alias,
  };
}

/** Whose this is, by its metadata; `undefined` for what was made for nobody in particular. */
export function ownerOf({ metadata = {} }: PhysicalConfig): Owner | undefined {
  const { [OWNER_KEYS.deployment]: deployment, [OWNER_KEYS.lineage]: lineage, [OWNER_KEYS.alias]: alias } = metadata;
  if (deployment === undefined || lineage === undefined || alias === undefined) return undefined;
  return { deployment, lineage, alias };
}

/** How JetStream is to hold a resource. */
export function physicalConfig(resource: Resource, replicas: number): PhysicalConfig {
  if (resource.kind === "kv") return kvStream(resource, replicas);
  if (resource.kind === "store") return storeStream(resource, replicas);
  if (resource.kind === "operations") return operationsStream(resource, replicas);
  if (resource.kind === "operationsWork") return operationsWorkStream(resource, replicas);
  return consumerConfig(resource);
}

/**
 * The stream behind a KV bucket. It republishes every stored change to `kvr.<bucket>.>`, which is how a bucket is
 * watched without a consumer, and leaves markers for keys that expire. JetStream has markers only together with
 * roll-ups and purging: purging is an API no participant reaches, and a roll-up is within the owner's own data.
 */
export function kvStream(kv: KvResource, replicas: number): StreamConfig {
  return {
    name: `KV_${kv.bucket}`,
    subjects: [`$KV.${kv.bucket}.>`],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    max_msgs_per_subject: kv.history,
    max_age: kv.ttlMs * NS_PER_MS,
    max_msg_size: kv.maxValueBytes === undefined ? -1 : kv.maxValueBytes + HEADER_BYTES,
    duplicate_window: duplicateWindow(kv.ttlMs),
    allow_direct: true,
    allow_msg_ttl: true,
    deny_delete: true,
    allow_rollup_hdrs: true,
    subject_delete_marker_ttl: kv.history > 1 ? DELETE_MARKER_WITH_HISTORY_NS : DELETE_MARKER_NS,
    republish: { src: `$KV.${kv.bucket}.>`, dest: `kvr.${kv.bucket}.>` },
    metadata: ownerMetadata(kv.owner),
  };
}

/** The stream behind an object store: chunks and descriptions, replaced by roll-ups of one subject. */
export function storeStream(store: StoreResource, replicas: number): StreamConfig {
  return {
    name: `OBJ_${store.bucket}`,
    subjects: [`$O.${store.bucket}.C.>`, `$O.${store.bucket}.M.>`],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    max_age: (store.ttlMs ?? 0) * NS_PER_MS,
    max_bytes: store.maxTotalBytes ?? -1,
    duplicate_window: duplicateWindow(store.ttlMs ?? 0),
    allow_direct: true,
    // What replaces the chunks of a removed object goes by itself a second later.
    allow_msg_ttl: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    metadata: ownerMetadata(store.owner),
  };
}

/**
 * What becomes of operations. The end of one replaces everything before it by a roll-up and leaves by its own time to live;
 * what is stored is republished to whoever watches.
 */
export function operationsStream({ stream, service, owner }: OperationsResource, replicas: number): StreamConfig {
  return {
    name: stream,
    subjects: ["journal", "inbox", "contract"].map((part) => `trellis.ops.${service}.${part}.>`),
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    allow_direct: true,
    allow_msg_ttl: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    duplicate_window: DUPLICATE_WINDOW_NS,
    republish: { src: `trellis.ops.${service}.journal.>`, dest: `kvr.${stream}.>` },
    metadata: ownerMetadata(owner),
  };
}

/** Operations that somebody should run. Those that sleep have a scheduled message that becomes an item. */
export function operationsWorkStream(
  { stream, service, owner }: OperationsWorkResource,
  replicas: number,
): StreamConfig {
  return {
    name: stream,
    subjects: ["work", "wake"].map((part) => `trellis.ops.${service}.${part}.>`),
    storage: "file",
    retention: "workqueue",
    // JetStream takes no schedules together with "new"; there is no limit that would make it discard.
    discard: "old",
    num_replicas: replicas,
    allow_direct: true,
    allow_msg_ttl: true,
    allow_rollup_hdrs: true,
    allow_msg_schedules: true,
    metadata: ownerMetadata(owner),
  };
}

// JetStream refuses a window longer than the age of the messages.
function duplicateWindow(ttlMs: number): number {
  return ttlMs > 0 ? Math.min(DUPLICATE_WINDOW_NS, ttlMs * NS_PER_MS) : DUPLICATE_WINDOW_NS;
}

/**
 * A durable pull consumer. It has no `backoff`: the first delay would override `ack_wait`, so delays are set on the
 * negative acknowledgement (traps 6, 7).
 */
export function consumerConfig(consumer: ConsumerResource): ConsumerConfig {
  return {
    durable_name: consumer.consumer,
    deliver_policy: consumer.replay,
    ack_policy: "explicit",
    ack_wait: consumer.ackWaitMs * NS_PER_MS,
    max_deliver: consumer.maxDeliver,
    max_ack_pending: consumer.maxAckPending,
    replay_policy: "instant",
    filter_subjects: consumer.kind === "eventConsumer" ? consumer.filters.map(withReplays) : consumer.filters,
    priority_groups: consumer.oneReplicaMs === undefined ? undefined : [EVENT_CONSUMER_DEFAULTS.pinnedGroup],
    priority_policy: consumer.oneReplicaMs === undefined ? "none" : "pinned_client",
    priority_timeout: (consumer.oneReplicaMs ?? 0) * NS_PER_MS,
    metadata: ownerMetadata(consumer.owner),
  };
}

/**
 * A full stream that discards what is new refuses even the messages that make room, so a limit below what is stored would
 * shut its owner out. It shrinks with what is stored instead, never grows again, and leaves room to take things away.
 */
export function shrinking(wanted: PhysicalConfig, actual: Existing | undefined): PhysicalConfig {
  const limit = wanted["max_bytes"];
  if (wanted["discard"] !== "new" || typeof limit !== "number" || limit < 0 || actual === undefined) return wanted;
  const now = actual.config["max_bytes"];
  const before = typeof now === "number" && now > 0 ? now : Number.POSITIVE_INFINITY;
  return { ...wanted, max_bytes: Math.max(limit, Math.min(before, (actual.bytes ?? 0) + ROOM_TO_REMOVE_BYTES)) };
}

/** What to do about one stream or consumer. */
export type PhysicalStep =
  | { readonly do: "create" }
  | { readonly do: "keep" }
  | { readonly do: "update"; readonly config: PhysicalConfig; readonly changed: readonly string[] }
  | { readonly do: "refuse"; readonly why: string };

/** Options JetStream never changes on something that exists; the first value stays and is not a difference. */
const FIXED: ReadonlySet<string> = new Set(["deliver_policy", "storage", "retention", "replay_policy"]);

/**
 * Compares what is wanted with what exists. Something with our metadata is ours to bring up to date; anything else under
 * the name is somebody's and is left alone, whatever it looks like.
 */
export function planPhysical(what: string, wanted: PhysicalConfig, actual: PhysicalConfig | undefined): PhysicalStep {
  if (!actual) return { do: "create" };
  const foreign = whyForeign(what, wanted, actual);
  if (foreign !== undefined) return { do: "refuse", why: foreign };
  const changed = Object.keys(wanted).filter(
    (option) => option !== "metadata" && !FIXED.has(option) && !same(actual[option], wanted[option]),
  );
  if (changed.length === 0) return { do: "keep" };
  const fixed = Object.fromEntries(Object.entries(actual).filter(([option]) => FIXED.has(option)));
  const config = { ...actual, ...wanted, ...fixed, metadata: { ...actual.metadata, ...wanted.metadata } };
  return { do: "update", config, changed };
}

/** Why something that has the name is not ours to change, and what can be done about it. */
function whyForeign(what: string, wanted: PhysicalConfig, actual: PhysicalConfig): string | undefined {
  const expected = Object.entries(wanted.metadata ?? {});
  if (expected.every(([key, value]) => actual.metadata?.[key] === value)) return undefined;
  const [found, ours] = [ownerOf(actual), ownerOf(wanted)];
  if (found === undefined)
    return `${what} exists and was not made by Trellis; move or remove it, or give the alias another name`;
  const belongs = `${what} belongs to ${found.alias} of ${found.lineage} in the deployment ${found.deployment}`;
  return found.deployment === ours?.deployment && found.lineage !== ours.lineage
    ? `${belongs}, which another service left there; give this deployment another name, or delete that data for good: trellis svc purge ${found.deployment} ${found.alias}`
    : `${belongs}; give this deployment another name`;
}

function same(actual: unknown, wanted: unknown): boolean {
  if (isZero(actual) && isZero(wanted)) return true;
  return ordered(actual) === ordered(wanted);
}

/** The server leaves out options that have their zero value, and writes "no limit" as -1. */
function isZero(value: unknown): boolean {
  return value === "none" || value === undefined || value === 0 || value === -1 || value === false || value === "";
}

function ordered(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
