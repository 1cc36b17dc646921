import type { NatsConnection } from "@nats-io/nats-core";
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
import type { Resource } from "./resource-plan.ts";
import { sharedStreams, type SharedStreamLimits } from "./shared-streams.ts";

/** The part of JetStream reconciliation changes. Every step may be repeated, and left half done. */
export interface ResourceStore {
  /** Makes or adopts one resource; answers why it could not, or nothing. Throws when JetStream does not answer. */
  ensure(resource: Resource): Promise<string | undefined>;
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
  return {
    ensure: (resource) => {
      if (resource.kind === "kv")
        return ensureStream(nc, `The bucket ${resource.bucket}`, kvStream(resource, limits.replicas));
      if (resource.kind === "store")
        return ensureStream(nc, `The object store ${resource.bucket}`, storeStream(resource, limits.replicas));
      return ensureConsumer(nc, resource.stream, consumerConfig(resource));
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

function ensureConsumer(nc: NatsConnection, stream: string, wanted: ConsumerConfig): Promise<string | undefined> {
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
    create: () => write("create")(wanted),
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
