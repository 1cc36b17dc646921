import type { NatsConnection } from "@nats-io/nats-core";
import { EVENTS_STREAM } from "@trellis/contracts";
import { isJsError, JetStreamApiError, jsApi, JS_ERRORS } from "../registry/jetstream-api.ts";
import {
  type ConsumerConfig,
  consumerConfig,
  kvStream,
  type PhysicalConfig,
  planPhysical,
  storeStream,
  type StreamConfig,
} from "./physical.ts";
import type { ConsumerResource, Resource } from "./resource-plan.ts";
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
  /** Names of the streams, and of the consumers on shared ones as `<stream> <consumer>`, that exist now. */
  existing(): Promise<ReadonlySet<string>>;
}

/** Codes that mean "made by somebody else a moment ago": look again. */
const EXISTS_ALREADY: ReadonlySet<number> = new Set([JS_ERRORS.streamNameExists, 10148, 10013]);

/** How often a step is looked at again when replicas race for it. */
const ATTEMPTS = 4;

/** Works on the JetStream of this connection (the DATA account). */
export function createResourceStore(nc: NatsConnection, limits: SharedStreamLimits): ResourceStore {
  /** How far each event consumer was when it was last looked at. */
  const progress = new Map<string, number>();
  return {
    ensure: (resource, madeAt) => {
      if (resource.kind === "kv")
        return ensureStream(nc, `The bucket ${resource.bucket}`, kvStream(resource, limits.replicas));
      if (resource.kind === "store")
        return ensureStream(nc, `The object store ${resource.bucket}`, storeStream(resource, limits.replicas));
      const again = goOnFrom(resource, progress.get(existingName(resource)), madeAt);
      return ensureConsumer(nc, resource.stream, consumerConfig(resource), again);
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
      const names = new Set<string>();
      for (const stream of await listAll(nc, "STREAM.NAMES", "streams")) names.add(stream);
      for (const { name } of sharedStreams(limits)) {
        if (!names.has(name)) continue;
        if (name === EVENTS_STREAM) {
          for (const info of await listConsumers(nc, name)) {
            names.add(`${name} ${info.name}`);
            progress.set(`${name} ${info.name}`, info.ack_floor.stream_seq);
          }
          continue;
        }
        for (const consumer of await listAll(nc, `CONSUMER.NAMES.${name}`, "consumers"))
          names.add(`${name} ${consumer}`);
      }
      return names;
    },
  };
}

/** The name under which `existing` lists a resource. */
export function existingName(resource: Resource): string {
  if (resource.kind === "kv") return `KV_${resource.bucket}`;
  if (resource.kind === "store") return `OBJ_${resource.bucket}`;
  return `${resource.stream} ${resource.consumer}`;
}

function ensureStream(nc: NatsConnection, what: string, wanted: StreamConfig): Promise<string | undefined> {
  return ensure(what, wanted, {
    read: () => jsApi<{ config: PhysicalConfig }>(nc, `STREAM.INFO.${wanted.name}`).then(({ config }) => config),
    create: () => jsApi(nc, `STREAM.CREATE.${wanted.name}`, wanted, CREATE_TIMEOUT_MS),
    update: (config) => jsApi(nc, `STREAM.UPDATE.${wanted.name}`, config, CREATE_TIMEOUT_MS),
    missing: JS_ERRORS.streamNotFound,
  });
}

/**
 * Where an event consumer goes on that somebody deleted: behind what it was last seen to have finished, otherwise at the
 * time it was made. Some events come again; starting it anew at "now" would have skipped some.
 */
function goOnFrom(
  resource: ConsumerResource,
  finished: number | undefined,
  madeAt: number | undefined,
): PhysicalConfig {
  if (resource.kind !== "eventConsumer" || resource.replay === "all") return {};
  if (finished !== undefined && finished > 0)
    return { deliver_policy: "by_start_sequence", opt_start_seq: finished + 1 };
  return madeAt === undefined
    ? {}
    : { deliver_policy: "by_start_time", opt_start_time: new Date(madeAt).toISOString() };
}

interface ConsumerProgress {
  readonly name: string;
  readonly ack_floor: { readonly stream_seq: number };
}

async function listConsumers(nc: NatsConnection, stream: string): Promise<readonly ConsumerProgress[]> {
  const found: ConsumerProgress[] = [];
  for (;;) {
    const page = await jsApi<{ total: number; consumers?: ConsumerProgress[] | null }>(nc, `CONSUMER.LIST.${stream}`, {
      offset: found.length,
    });
    found.push(...(page.consumers ?? []));
    if ((page.consumers ?? []).length === 0 || found.length >= page.total) return found;
  }
}

function ensureConsumer(
  nc: NatsConnection,
  stream: string,
  wanted: ConsumerConfig,
  again: PhysicalConfig,
): Promise<string | undefined> {
  const write = (action: "create" | "update") => (config: PhysicalConfig) =>
    jsApi(
      nc,
      `CONSUMER.CREATE.${stream}.${wanted.durable_name}`,
      { stream_name: stream, config, action },
      CREATE_TIMEOUT_MS,
    );
  return ensure(`The consumer ${wanted.durable_name} on ${stream}`, wanted, {
    read: () =>
      jsApi<{ config: PhysicalConfig }>(nc, `CONSUMER.INFO.${stream}.${wanted.durable_name}`).then(
        ({ config }) => config,
      ),
    create: () => write("create")({ ...wanted, ...again }),
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
    readonly read: () => Promise<PhysicalConfig>;
    readonly create: () => Promise<unknown>;
    readonly update: (config: PhysicalConfig) => Promise<unknown>;
    readonly missing: number;
  },
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    let actual: PhysicalConfig | undefined;
    try {
      actual = await api.read();
    } catch (error) {
      if (!isJsError(error, api.missing)) throw error;
    }
    const step = planPhysical(what, wanted, actual);
    try {
      if (step.do === "refuse") return step.why;
      if (step.do === "create") await api.create();
      if (step.do === "update") await api.update(step.config);
      return undefined;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      if (EXISTS_ALREADY.has(error.errCode) && attempt < ATTEMPTS) continue;
      return step.do === "update"
        ? `${what} could not be changed (${step.changed.join(", ")}): ${error.message}`
        : `${what} could not be made: ${error.message}`;
    }
  }
}

async function listAll(
  nc: NatsConnection,
  subject: string,
  member: "streams" | "consumers",
): Promise<readonly string[]> {
  const names: string[] = [];
  for (;;) {
    const page = await jsApi<{ total: number; streams?: string[] | null; consumers?: string[] | null }>(nc, subject, {
      offset: names.length,
    });
    const found = page[member] ?? [];
    names.push(...found);
    if (found.length === 0 || names.length >= page.total) return names;
  }
}
