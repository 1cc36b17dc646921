import type { NatsConnection } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { Json, JsonSchema } from "@trellis/contracts";
import { createKv, OwnStream } from "@trellis/server/internal";
import type { Kv } from "@trellis/server/node";
import { ensureStream, jsApi } from "../registry/jetstream-api.ts";
import type { WantedStream } from "../registry/jetstream-api.ts";
import { kvStream } from "../resources/physical.ts";

/** An upper-case name: those of deployments' buckets begin with a lower-case letter. */
const BUCKET = "STATE";
export const STATE_STREAM = `KV_${BUCKET}`;

/**
 * A key that ended is remembered this long: three times as long as a watch goes between two readings. Until then it
 * counts, so that writing and deleting without end is bounded too.
 */
const END_KEPT_MS = 3 * 60_000;

/** What stands beside a value, and the keys of a record. */
const ENVELOPE_BYTES = 256;

/** A value as it is stored. */
export interface StateRecord {
  /** The state version it was written as. */
  readonly version: string;
  readonly value: Json;
  /** Names the write that made it. */
  readonly write?: string;
}

const RECORD_SCHEMA: JsonSchema = {
  type: "object",
  properties: { version: { type: "string" }, value: true, write: { type: "string" } },
  required: ["version", "value"],
};

/** The bucket all state is in. Nothing of it is held in memory: millions of entries cost the control plane nothing. */
export interface StateBucket {
  readonly kv: Kv<StateRecord>;
  /** Keys that match, those included that ended in the last three minutes. */
  count(filter: string): Promise<number>;
  /** Their names; for the state of one owner, which is bounded. */
  names(filter: string): Promise<readonly string[]>;
}

function bindingOf(maxValueBytes: number) {
  return { bucket: BUCKET, history: 1, ttlMs: 0, maxValueBytes: maxValueBytes + ENVELOPE_BYTES };
}

export function stateStream(
  replicas: 1 | 3,
  { maxValueBytes, maxBytes }: { readonly maxValueBytes: number; readonly maxBytes: number },
): WantedStream {
  const owner = { deployment: "trellis", lineage: "trellis.state", alias: BUCKET };
  return {
    ...kvStream({ kind: "kv", owner, ...bindingOf(maxValueBytes) }, replicas),
    max_bytes: maxBytes,
    subject_delete_marker_ttl: END_KEPT_MS * 1_000_000,
  };
}

export async function openStateBucket(options: {
  readonly link: Link;
  /** JetStream, past what participants may do. */
  readonly data: NatsConnection;
  readonly replicas: 1 | 3;
  readonly maxValueBytes: number;
  readonly maxBytes: number;
}): Promise<StateBucket> {
  const { link, data, replicas, maxValueBytes, maxBytes } = options;
  const binding = bindingOf(maxValueBytes);
  await ensureStream(data, stateStream(replicas, { maxValueBytes, maxBytes }));
  const stream = new OwnStream(link, STATE_STREAM);
  const root = `$KV.${BUCKET}.`;
  return {
    kv: createKv<StateRecord>({ link, binding: () => binding, schema: RECORD_SCHEMA, endKeptMs: END_KEPT_MS }),
    count: (filter) => stream.count(root + filter),
    names: async (filter) => {
      const { state } = await jsApi<{ state: { subjects?: { readonly [subject: string]: number } } }>(
        data,
        `STREAM.INFO.${STATE_STREAM}`,
        { subjects_filter: root + filter },
      );
      return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(root.length));
    },
  };
}
