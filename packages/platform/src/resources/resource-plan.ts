import {
  type Bindings,
  contractName,
  EVENT_CONSUMER_DEFAULTS,
  EVENTS_STREAM,
  eventWildcard,
  JOB_PRIORITIES,
  type JobPriority,
  JOBS_WORK_STREAM,
  OPERATION_DEFAULTS,
  type Manifest,
  subjectCovers,
  workSubject,
} from "@trellis/contracts";
import { type ContractWorld, grantedUses, missingSurfaces } from "../catalog/world.ts";

/** Who a resource belongs to: kept in its metadata, so that nobody adopts what is not theirs. */
export interface Owner {
  readonly deployment: string;
  /** Contract name without version: data survives `orders@v1` → `orders@v2`, never `orders` → `billing`. */
  readonly lineage: string;
  readonly alias: string;
}

export interface KvResource {
  readonly kind: "kv";
  readonly owner: Owner;
  readonly bucket: string;
  readonly history: number;
  readonly ttlMs: number;
  readonly maxValueBytes?: number;
}

export interface StoreResource {
  readonly kind: "store";
  readonly owner: Owner;
  readonly bucket: string;
  readonly ttlMs?: number;
  readonly maxTotalBytes?: number;
  readonly maxObjectBytes?: number;
}

export interface ConsumerResource {
  readonly kind: "eventConsumer" | "jobs" | "operationsConsumer";
  readonly owner: Owner;
  readonly stream: string;
  readonly consumer: string;
  readonly filters: readonly string[];
  readonly replay: "new" | "all";
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
  readonly maxAckPending: number;
  /** Work of this priority only. */
  readonly priority?: JobPriority;
  /** Only one replica at a time takes from it; silent for longer than this it makes room for another. */
  readonly oneReplicaMs?: number;
}

/** A stream of a deployment's operations. */
interface OperationsStream<Kind extends string> {
  readonly kind: Kind;
  readonly owner: Owner;
  readonly stream: string;
  readonly service: string;
}

/** What becomes of operations. */
export type OperationsResource = OperationsStream<"operations">;
/** Whose turn it is to run them. */
export type OperationsWorkResource = OperationsStream<"operationsWork">;

/** In capitals, as no deployment's name begins: no bucket has such a name. */
export const OPERATIONS_PREFIX = "OPS_";
export const OPERATIONS_WORK_PREFIX = "OPS_WORK_";
/** What people call the operations of a deployment among its resources. */
export const OPERATIONS_ALIAS = "operations";

export type Resource = KvResource | StoreResource | ConsumerResource | OperationsResource | OperationsWorkResource;

/** Assumed where a manifest is silent (protocol §3). */
export const RESOURCE_DEFAULTS = {
  jobAckWaitMs: 300_000,
  /**
   * Jobs handed out, delayed or waiting for their next attempt. Workers limit what runs by the contract's `concurrency`; what
   * waits beyond this keeps the others from being handed out, so it is more than a queue should ever hold.
   */
  jobMaxAckPending: 1_000_000,
  /** The same for operations. One that sleeps is not handed out, so it does not count. */
  operationsMaxAckPending: 100_000,
} as const;

const UNLIMITED = -1;

/** A replica asks for more at least this often (the runtime: every 3 s), so its last sign of life is no older. */
const TAKE_OVER_MARGIN_MS = 5_000;

/** The physical name of what a deployment calls `alias`: a deployment's name holds no `_`, so no two can meet. */
export function physicalName(deployment: string, alias: string): string {
  return `${deployment}_${alias}`;
}

/** The consumer of a queue, or of one of its priorities: no alias begins with `_`. */
function jobConsumer(deployment: string, queue: string, priority?: JobPriority): string {
  return physicalName(deployment, priority === undefined ? queue : `_${priority}_${queue}`);
}

/** Everything JetStream must hold for a deployment to run this contract. Pure, and equal for equal inputs. */
export function planResources(deployment: string, manifest: Manifest, world: ContractWorld): readonly Resource[] {
  const owner = (alias: string): Owner => ({ deployment, lineage: contractName(manifest.id), alias });
  const resources: Resource[] = [];
  for (const [alias, kv] of Object.entries(manifest.resources?.kv ?? {})) {
    resources.push({
      kind: "kv",
      owner: owner(alias),
      bucket: physicalName(deployment, alias),
      history: kv.history ?? 1,
      ttlMs: kv.ttlMs ?? 0,
      ...(kv.maxValueBytes === undefined ? {} : { maxValueBytes: kv.maxValueBytes }),
    });
  }
  for (const [alias, store] of Object.entries(manifest.resources?.store ?? {})) {
    resources.push({
      kind: "store",
      owner: owner(alias),
      bucket: physicalName(deployment, alias),
      ...(store.ttlMs === undefined ? {} : { ttlMs: store.ttlMs }),
      ...(store.maxTotalBytes === undefined ? {} : { maxTotalBytes: store.maxTotalBytes }),
      ...(store.maxObjectBytes === undefined ? {} : { maxObjectBytes: store.maxObjectBytes }),
    });
  }
  for (const [queue, job] of Object.entries(manifest.jobs ?? {})) {
    const priorities = job.priorities === true ? JOB_PRIORITIES : [];
    for (const priority of [undefined, ...priorities]) {
      resources.push({
        kind: "jobs",
        owner: owner(queue),
        stream: JOBS_WORK_STREAM,
        consumer: jobConsumer(deployment, queue, priority),
        filters: [workSubject(deployment, queue, priority)],
        replay: "all",
        ackWaitMs: job.ackWaitMs ?? RESOURCE_DEFAULTS.jobAckWaitMs,
        // The worker counts attempts by their claims: a delivery to a worker that died before it began is none.
        maxDeliver: UNLIMITED,
        maxAckPending: RESOURCE_DEFAULTS.jobMaxAckPending,
        ...(priority === undefined ? {} : { priority }),
      });
    }
  }
  if (Object.keys(manifest.operations ?? {}).length > 0)
    resources.push(...planOperations(deployment, owner(OPERATIONS_ALIAS)));
  for (const [group, consumer] of Object.entries(manifest.eventConsumers ?? {})) {
    const filters = eventFilters(manifest, group, world);
    if (filters.length === 0) continue;
    // Side by side, events of one subject keep their order only within one replica: it takes over when nothing is out.
    const concurrent = consumer.concurrency > 1;
    const ackWaitMs = consumer.ackWaitMs ?? EVENT_CONSUMER_DEFAULTS[concurrent ? "concurrentAckWaitMs" : "ackWaitMs"];
    resources.push({
      kind: "eventConsumer",
      owner: owner(group),
      stream: EVENTS_STREAM,
      consumer: physicalName(deployment, group),
      filters,
      replay: consumer.replay,
      ackWaitMs,
      // The runtime counts and puts the event aside: JetStream would only stop delivering it.
      maxDeliver: UNLIMITED,
      maxAckPending: consumer.concurrency,
      ...(concurrent ? { oneReplicaMs: ackWaitMs + TAKE_OVER_MARGIN_MS } : {}),
    });
  }
  return resources;
}

/** In this order: the consumer is on the second stream. */
function planOperations(deployment: string, owner: Owner): readonly Resource[] {
  const work = `${OPERATIONS_WORK_PREFIX}${deployment}`;
  return [
    { kind: "operations", owner, stream: `${OPERATIONS_PREFIX}${deployment}`, service: deployment },
    { kind: "operationsWork", owner, stream: work, service: deployment },
    {
      kind: "operationsConsumer",
      owner,
      stream: work,
      consumer: deployment,
      filters: [`trellis.ops.${deployment}.work.>`],
      replay: "all",
      ackWaitMs: OPERATION_DEFAULTS.ackWaitMs,
      // The runtime counts attempts by claims.
      maxDeliver: UNLIMITED,
      maxAckPending: RESOURCE_DEFAULTS.operationsMaxAckPending,
    },
  ];
}

/** Whether a deployment cannot begin without this: a contract says of buckets and object stores that it can. */
export function requiredBy({ resources = {} }: Manifest, { kind, owner }: Resource): boolean {
  return (kind !== "kv" && kind !== "store") || resources[kind]?.[owner.alias]?.required !== false;
}

/** The bindings a participant learns, once the resources exist. */
export function bindingsOf(deployment: string, resources: readonly Resource[]): Bindings {
  const bindings: {
    service: string;
    kv: { [alias: string]: Bindings["kv"][string] };
    store: { [alias: string]: Bindings["store"][string] };
    jobs: { [queue: string]: Bindings["jobs"][string] };
    eventConsumers: { [group: string]: Bindings["eventConsumers"][string] };
    operations?: NonNullable<Bindings["operations"]>;
  } = {
    service: deployment,
    kv: {},
    store: {},
    jobs: {},
    eventConsumers: {},
  };
  const hasPriorities = new Set(
    resources.flatMap((resource) =>
      resource.kind === "jobs" && resource.priority !== undefined ? [resource.owner.alias] : [],
    ),
  );
  for (const resource of resources) {
    const { alias } = resource.owner;
    if (resource.kind === "kv") {
      const { bucket, history, ttlMs, maxValueBytes } = resource;
      bindings.kv[alias] = { bucket, history, ttlMs, ...(maxValueBytes === undefined ? {} : { maxValueBytes }) };
    } else if (resource.kind === "store") {
      const { kind: _, owner: __, ...binding } = resource;
      bindings.store[alias] = binding;
    } else if (resource.kind === "operationsConsumer") {
      const { stream, consumer } = resource;
      bindings.operations = { stream: `${OPERATIONS_PREFIX}${deployment}`, work: { stream, consumer } };
    } else if (resource.kind === "operations" || resource.kind === "operationsWork") {
      // Named with their consumer.
      continue;
    } else if (resource.kind === "jobs") {
      if (resource.priority !== undefined) continue;
      bindings.jobs[alias] = {
        stream: resource.stream,
        consumer: resource.consumer,
        ...(hasPriorities.has(alias)
          ? {
              priorities: {
                high: jobConsumer(deployment, alias, "high"),
                low: jobConsumer(deployment, alias, "low"),
              },
            }
          : {}),
      };
    } else {
      bindings.eventConsumers[alias] = { stream: resource.stream, consumer: resource.consumer };
    }
  }
  return bindings;
}

/** Changes when, and only when, what should exist on JetStream changes. */
export function resourcesFingerprint(resources: readonly Resource[]): string {
  return JSON.stringify(resources.map((resource) => Object.entries(resource).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * Subjects a group reads. A required contract that is known but not active yet already shapes the consumer, so that the
 * members of a cycle can be materialized in any order; an optional one counts only while it is granted.
 */
function eventFilters(manifest: Manifest, group: string, world: ContractWorld): readonly string[] {
  const consumer = manifest.eventConsumers?.[group];
  if (!consumer) return [];
  const granted = grantedUses(manifest, world);
  const subjects = (consumer.self ?? []).map((name) => manifest.events?.[name]?.subject);
  for (const [alias, names] of Object.entries(consumer.uses ?? {})) {
    const required = manifest.uses?.required?.[alias];
    const target =
      granted[alias] ??
      (required && world.known(required.contract).find((known) => missingSurfaces(known, required).length === 0));
    subjects.push(...names.map((name) => target?.events?.[name]?.subject));
  }
  const wildcards = [...new Set(subjects.filter((subject) => subject !== undefined).map(eventWildcard))].sort();
  // JetStream refuses overlapping filters.
  return wildcards.filter((inner) => !wildcards.some((outer) => outer !== inner && subjectCovers(outer, inner)));
}
