import type { NatsConnection } from "@nats-io/nats-core";
import { EVENTS_STREAM, JOBS_WORK_STREAM } from "@trellis/contracts";
import { listConsumers, listStreams, type StreamInfo } from "./listing.ts";
import { ownerOf, type PhysicalConfig } from "./physical.ts";
import { OPERATIONS_PREFIX, OPERATIONS_WORK_PREFIX, type Owner, physicalName, type Resource } from "./resource-plan.ts";

/** One resource that is there, whether or not somebody still uses it. */
export interface FoundResource {
  /** As `existingName` writes it. */
  readonly name: string;
  readonly kind: Resource["kind"];
  readonly owner: Owner;
  /** What people call it: the bucket, the store, the consumer. */
  readonly physical: string;
  readonly bytes: number;
  readonly entries: number;
  readonly replicas: number;
  readonly createdAt: string;
  readonly changedAt: string | undefined;
}

const BUCKETS = {
  KV_: "kv",
  OBJ_: "store",
  [OPERATIONS_WORK_PREFIX]: "operationsWork",
  [OPERATIONS_PREFIX]: "operations",
} as const;
const CONSUMERS = { [EVENTS_STREAM]: "eventConsumer", [JOBS_WORK_STREAM]: "jobs" } as const;

/** Everything on JetStream that was made for a deployment, by what its metadata says. */
export async function takeInventory(nc: NatsConnection): Promise<readonly FoundResource[]> {
  const found: FoundResource[] = [];
  for (const stream of await listStreams(nc)) {
    const resource = bucketOf(stream);
    if (resource !== undefined) found.push(resource);
  }
  for (const [stream, kind] of Object.entries(CONSUMERS)) {
    for (const { name, config, created, num_pending, num_ack_pending, num_replicas, delivered } of await listConsumers(
      nc,
      stream,
    )) {
      const owner = ownerOf(config);
      if (owner === undefined) continue;
      found.push({
        name: `${stream} ${name}`,
        kind,
        owner,
        physical: name,
        bytes: 0,
        entries: num_pending + num_ack_pending,
        replicas: num_replicas,
        createdAt: created,
        changedAt: delivered.last_active,
      });
    }
  }
  return found;
}

function bucketOf({ config, created, state }: StreamInfo): FoundResource | undefined {
  const owner = ownerOf(config);
  const [prefix, kind] = Object.entries(BUCKETS).find(([start]) => config.name.startsWith(start)) ?? [];
  if (owner === undefined || prefix === undefined || kind === undefined) return undefined;
  const physical = config.name.slice(prefix.length);
  // What the platform keeps for itself carries an owner too, under a name no deployment can have.
  if ((kind === "kv" || kind === "store") && physical !== physicalName(owner.deployment, owner.alias)) return undefined;
  return {
    name: config.name,
    kind,
    owner,
    physical,
    bytes: state.bytes,
    entries: kind === "kv" ? (state.num_subjects ?? 0) : state.messages,
    replicas: replicasOf(config),
    createdAt: created,
    changedAt: state.messages === 0 ? undefined : state.last_ts,
  };
}

function replicasOf({ num_replicas }: PhysicalConfig): number {
  return typeof num_replicas === "number" ? num_replicas : 1;
}
