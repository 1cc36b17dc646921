import type { NatsConnection } from "@nats-io/nats-core";
import { isJsError, jsApi, JS_ERRORS } from "../registry/jetstream-api.ts";
import type { PhysicalConfig, StreamConfig } from "./physical.ts";

/** What JetStream tells about a stream. */
export interface StreamInfo {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly last_seq: number;
    readonly last_ts: string;
    readonly num_subjects?: number;
  };
}

/** What JetStream tells about a consumer. */
export interface ConsumerInfo {
  readonly name: string;
  readonly config: PhysicalConfig;
  readonly created: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_replicas: number;
  readonly ack_floor: { readonly stream_seq: number };
  readonly delivered: { readonly last_active?: string };
}

/** Every stream of the account. */
export function listStreams(nc: NatsConnection): Promise<readonly StreamInfo[]> {
  return everyPage(async (offset) => {
    const { total, streams } = await jsApi<Page & { streams?: StreamInfo[] | null }>(nc, "STREAM.LIST", { offset });
    return { total, items: streams ?? [] };
  });
}

/** Every consumer of a stream; none when there is no such stream. */
export async function listConsumers(nc: NatsConnection, stream: string): Promise<readonly ConsumerInfo[]> {
  try {
    return await everyPage(async (offset) => {
      const { total, consumers } = await jsApi<Page & { consumers?: ConsumerWire[] | null }>(
        nc,
        `CONSUMER.LIST.${stream}`,
        { offset },
      );
      return { total, items: (consumers ?? []).map(toConsumer) };
    });
  } catch (error) {
    if (isJsError(error, JS_ERRORS.streamNotFound)) return [];
    throw error;
  }
}

interface Page {
  readonly total: number;
}

type ConsumerWire = Omit<ConsumerInfo, "num_replicas"> & {
  readonly cluster?: { readonly replicas?: readonly unknown[] | null };
};

function toConsumer(consumer: ConsumerWire): ConsumerInfo {
  return { ...consumer, num_replicas: 1 + (consumer.cluster?.replicas?.length ?? 0) };
}

async function everyPage<T>(
  read: (offset: number) => Promise<{ readonly total: number; readonly items: readonly T[] }>,
): Promise<readonly T[]> {
  const found: T[] = [];
  for (;;) {
    const { total, items } = await read(found.length);
    found.push(...items);
    if (items.length === 0 || found.length >= total) return found;
  }
}
