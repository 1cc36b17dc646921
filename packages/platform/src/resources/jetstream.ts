import type { NatsConnection } from "@nats-io/nats-core";
import { EVENTS_STREAM, workSubject } from "@trellis/contracts";
import { isJsError, JetStreamApiError, jsApi, JS_ERRORS } from "../registry/jetstream-api.ts";
import { type FoundResource, takeInventory } from "./inventory.ts";
import { listConsumers, listStreams, type StreamInfo } from "./listing.ts";
import {
  type Existing,
  type PhysicalConfig,
  physicalConfig,
  planPhysical,
  shrinking,
  type StreamConfig,
} from "./physical.ts";
import { type ConsumerResource, OPERATIONS_WORK_PREFIX, type Resource } from "./resource-plan.ts";
import { sharedStreams, type SharedStreamLimits } from "./shared-streams.ts";

/** The part of JetStream reconciliation changes. Every step may be repeated, and left half done. */
export interface ResourceStore {
  /**
   * Makes or adopts one resource; answers why it could not, or nothing. Throws when JetStream does not answer.
   * `madeAt`: it was there since then, so what has to be made again must go on where it was and skip nothing.
   */
  ensure(resource: Resource, madeAt?: number): Promise<string | undefined>;
  /** Makes the streams all deployments share. */
  ensureShared(): Promise<readonly string[]>;
  /** What exists now and how it is configured, by `existingName`; streams of others too. */
  existing(): Promise<ReadonlyMap<string, Existing>>;
  /** Whether what exists is as it should be. */
  fits(resource: Resource, existing: ReadonlyMap<string, Existing>): boolean;
  /** Everything that was made for a deployment, also what none uses any more. */
  inventory(): Promise<readonly FoundResource[]>;
  /** Deletes a resource with its data, if it is still the one that was made then. Safe to repeat. */
  remove(name: string, purge: Purge): Promise<void>;
}

/** What to delete: by name, and by when it was made, since what has the name later is something else. */
export interface Purge {
  readonly kind: Resource["kind"];
  readonly deployment: string;
  readonly alias: string;
  readonly createdAt: string;
}

/** Codes that mean "made by somebody else a moment ago": look again. */
const EXISTS_ALREADY: ReadonlySet<number> = new Set([JS_ERRORS.streamNameExists, 10148, 10013]);

const NO_ROOM =
  "the servers have no room left; free some (trellis svc resources --released shows what nobody uses) or give them more";

const THREE_SERVERS =
  "three copies need a cluster of three servers, and there are fewer; start them, or set TRELLIS_STREAM_REPLICAS to 1";

/** What JetStream says too briefly for whoever has to do something about it. */
const EXPLAINED: { readonly [errCode: number]: string | undefined } = {
  10005: THREE_SERVERS,
  10074: THREE_SERVERS,
  10023: NO_ROOM,
  10028: NO_ROOM,
  10047: NO_ROOM,
};

/** How often a step is looked at again when replicas race for it. */
const ATTEMPTS = 4;

/** Works on the JetStream of this connection (the DATA account). */
export function createResourceStore(nc: NatsConnection, limits: SharedStreamLimits): ResourceStore {
  /** Each event consumer as it was when it was last looked at. */
  const seen = new Map<string, SeenConsumer>();
  return {
    ensure: (resource, madeAt) => {
      const what = describe(resource);
      const config = physicalConfig(resource, limits.replicas);
      if (isStream(resource)) {
        return ensureStream(nc, what, { ...config, name: existingName(resource) });
      }
      return ensureConsumer(nc, what, resource, config, () =>
        asItWas(nc, resource, seen.get(existingName(resource)), madeAt),
      );
    },
    ensureShared: async () => {
      const problems: string[] = [];
      for (const stream of sharedStreams(limits)) {
        const problem = await ensureStream(nc, `The stream ${stream.name}`, stream);
        if (problem !== undefined) problems.push(problem);
      }
      return problems;
    },
    existing: async () => {
      const found = new Map<string, Existing>();
      const streams = await listStreams(nc);
      for (const { config, state } of streams) found.set(config.name, { config, bytes: state.bytes });
      const events = streams.find(({ config }) => config.name === EVENTS_STREAM);
      const queues = [...found.keys()].filter((name) => name.startsWith(OPERATIONS_WORK_PREFIX));
      for (const name of [...sharedStreams(limits).map((stream) => stream.name), ...queues]) {
        for (const info of found.has(name) ? await listConsumers(nc, name) : []) {
          found.set(`${name} ${info.name}`, { config: info.config });
          if (name !== EVENTS_STREAM || events === undefined) continue;
          const { ack_floor: finished, config } = info;
          seen.set(`${name} ${info.name}`, {
            streamMade: events.created,
            finished: finished.stream_seq,
            pausedUntil: typeof config["pause_until"] === "string" ? config["pause_until"] : undefined,
          });
        }
      }
      return found;
    },
    fits: (resource, existing) => {
      const actual = existing.get(existingName(resource));
      const wanted = shrinking(physicalConfig(resource, limits.replicas), actual);
      return planPhysical(describe(resource), wanted, actual?.config).do === "keep";
    },
    inventory: () => takeInventory(nc),
    remove: (name, purge) => removeResource(nc, name, purge),
  };
}

/** The name under which `existing` lists a resource. */
export function existingName(resource: Resource): string {
  if (resource.kind === "kv") return `KV_${resource.bucket}`;
  if (resource.kind === "store") return `OBJ_${resource.bucket}`;
  if (isStream(resource)) return resource.stream;
  return `${resource.stream} ${resource.consumer}`;
}

function isStream(resource: Resource): resource is Exclude<Resource, ConsumerResource> {
  return !("consumer" in resource);
}

function describe(resource: Resource): string {
  if (resource.kind === "kv") return `The bucket ${resource.bucket}`;
  if (resource.kind === "store") return `The object store ${resource.bucket}`;
  if (isStream(resource)) return `The stream ${resource.stream}`;
  return `The consumer ${resource.consumer} on ${resource.stream}`;
}

function ensureStream(nc: NatsConnection, what: string, wanted: StreamConfig): Promise<string | undefined> {
  return ensure(what, wanted, {
    read: async () => {
      const { config, state } = await jsApi<StreamInfo>(nc, `STREAM.INFO.${wanted.name}`);
      return { config, bytes: state.bytes };
    },
    create: () => jsApi(nc, `STREAM.CREATE.${wanted.name}`, wanted, CREATE_TIMEOUT_MS),
    update: (config) => jsApi(nc, `STREAM.UPDATE.${wanted.name}`, config, CREATE_TIMEOUT_MS),
    missing: JS_ERRORS.streamNotFound,
  });
}

/** What an event consumer takes along when somebody deletes it. */
interface SeenConsumer {
  /** Places in a stream that was made at another time are others. */
  readonly streamMade: string;
  readonly finished: number;
  readonly pausedUntil: string | undefined;
}

/**
 * How an event consumer begins that somebody deleted: behind what it was last seen to have finished, otherwise at the time
 * it was made, and paused if it was. Some events come again; starting it anew at "now" would have skipped some.
 */
async function asItWas(
  nc: NatsConnection,
  { kind, replay, stream }: ConsumerResource,
  seen: SeenConsumer | undefined,
  madeAt: number | undefined,
): Promise<PhysicalConfig> {
  // One that is new begins as the contract says, whatever had its name before.
  if (kind !== "eventConsumer" || madeAt === undefined) return {};
  const paused = seen?.pausedUntil === undefined ? {} : { pause_until: seen.pausedUntil };
  if (replay === "all") return paused;
  const { created, state } = await jsApi<StreamInfo>(nc, `STREAM.INFO.${stream}`);
  if (seen !== undefined && seen.streamMade === created && seen.finished > 0 && seen.finished <= state.last_seq)
    return { ...paused, deliver_policy: "by_start_sequence", opt_start_seq: seen.finished + 1 };
  return { ...paused, deliver_policy: "by_start_time", opt_start_time: new Date(madeAt).toISOString() };
}

function ensureConsumer(
  nc: NatsConnection,
  what: string,
  { stream, consumer }: ConsumerResource,
  wanted: PhysicalConfig,
  again: () => Promise<PhysicalConfig>,
): Promise<string | undefined> {
  const write = (action: "create" | "update") => (config: PhysicalConfig) =>
    jsApi(nc, `CONSUMER.CREATE.${stream}.${consumer}`, { stream_name: stream, config, action }, CREATE_TIMEOUT_MS);
  return ensure(what, wanted, {
    read: () => jsApi<Existing>(nc, `CONSUMER.INFO.${stream}.${consumer}`),
    create: async () => write("create")({ ...wanted, ...(await again()) }),
    update: write("update"),
    missing: JS_ERRORS.consumerNotFound,
  });
}

/** A replicated stream has to find its peers first. */
const CREATE_TIMEOUT_MS = 10_000;

async function ensure(
  what: string,
  wanted: PhysicalConfig,
  api: {
    readonly read: () => Promise<Existing>;
    readonly create: () => Promise<unknown>;
    readonly update: (config: PhysicalConfig) => Promise<unknown>;
    readonly missing: number;
  },
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    let actual: Existing | undefined;
    try {
      actual = await api.read();
    } catch (error) {
      if (!isJsError(error, api.missing)) throw error;
    }
    const step = planPhysical(what, shrinking(wanted, actual), actual?.config);
    try {
      if (step.do === "refuse") return step.why;
      if (step.do === "create") await api.create();
      if (step.do === "update") await api.update(step.config);
      return undefined;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      if (EXISTS_ALREADY.has(error.errCode) && attempt < ATTEMPTS) continue;
      const tried = step.do === "update" ? `changed (${step.changed.join(", ")})` : "made";
      return `${what} could not be ${tried}: ${EXPLAINED[error.errCode] ?? error.message}`;
    }
  }
}

/** Deletes a resource, unless it is gone already or something newer has its name. */
async function removeResource(
  nc: NatsConnection,
  name: string,
  { kind, deployment, alias, createdAt }: Purge,
): Promise<void> {
  const found = (await takeInventory(nc)).find((one) => one.name === name);
  if (found === undefined || found.createdAt !== createdAt) return;
  if (kind !== "jobs" && kind !== "eventConsumer") {
    await jsApi(nc, `STREAM.DELETE.${name}`, undefined, CREATE_TIMEOUT_MS);
    return;
  }
  const [stream = ""] = name.split(" ");
  // The work of a queue goes with it, of every priority: nobody else takes it.
  const work = workSubject(deployment, alias);
  for (const filter of kind === "jobs" ? [work, `${work}.>`] : [])
    await jsApi(nc, `STREAM.PURGE.${stream}`, { filter });
  await jsApi(nc, `CONSUMER.DELETE.${stream}.${found.physical}`, undefined, CREATE_TIMEOUT_MS);
}
