import type { NatsConnection } from "@nats-io/nats-core";
import { AUDIT_STREAM } from "./audit/audit-stream.ts";
import { LEASES_STREAM } from "./leases/leases.ts";
import { jsApi } from "./registry/jetstream-api.ts";
import { REGISTRY_STREAM } from "./registry/record-subject.ts";
import { listStreams } from "./resources/listing.ts";
import { CLAIMS_STREAM } from "./sessions/claims.ts";
import { SESSIONS_STREAM } from "./sessions/session-store.ts";
import { STATE_STREAM } from "./state/state-bucket.ts";

/** How long servers have to say they are there. */
const LISTEN_MS = 250;

/** A stream has to find its new peers, and they their copies. */
const RAISE_TIMEOUT_MS = 10_000;

/** The streams of the control plane itself; what belongs to deployments is reconciled, as are the shared streams. */
const OWN_STREAMS: ReadonlySet<string> = new Set([
  REGISTRY_STREAM,
  SESSIONS_STREAM,
  CLAIMS_STREAM,
  AUDIT_STREAM,
  LEASES_STREAM,
  STATE_STREAM,
]);

/** How many copies JetStream keeps of everything, by the servers there are. */
export interface Topology {
  readonly replicas: 1 | 3;
  /** Looks again; when there are more servers now, the streams of the control plane get more copies. */
  grow(): Promise<void>;
}

/**
 * What was configured, or three where there are three servers to hold them. By itself it only grows: a server that is away
 * for an hour must not cost the copies there are, so what the registry has counts too.
 */
export async function openTopology(
  nats: { readonly sys: NatsConnection; readonly data: NatsConnection },
  configured: "auto" | "1" | "3",
): Promise<Topology> {
  const choose = async (): Promise<1 | 3> => {
    if (configured !== "auto") return configured === "3" ? 3 : 1;
    return (await countServers(nats.sys)) >= 3 || (await copiesOfRegistry(nats.data)) >= 3 ? 3 : 1;
  };
  let replicas = await choose();
  return {
    get replicas() {
      return replicas;
    },
    async grow() {
      if (replicas === 3 || (await choose()) === 1) return;
      await raise(nats.data, 3);
      replicas = 3;
    },
  };
}

async function countServers(sys: NatsConnection): Promise<number> {
  if (sys.info?.cluster === undefined) return 1;
  const servers = new Set<string>();
  const answers = await sys.requestMany("$SYS.REQ.SERVER.PING", "", { maxWait: LISTEN_MS });
  for await (const answer of answers) {
    const { server } = answer.json<{ server?: { id?: string; jetstream?: boolean } }>();
    if (server?.id !== undefined && server.jetstream !== false) servers.add(server.id);
  }
  return servers.size;
}

async function copiesOfRegistry(data: NatsConnection): Promise<number> {
  const registry = (await listStreams(data)).find(({ config }) => config.name === REGISTRY_STREAM);
  return Number(registry?.config["num_replicas"] ?? 0);
}

async function raise(data: NatsConnection, replicas: number): Promise<void> {
  for (const { config } of await listStreams(data)) {
    if (!OWN_STREAMS.has(config.name) || Number(config["num_replicas"]) >= replicas) continue;
    await jsApi(data, `STREAM.UPDATE.${config.name}`, { ...config, num_replicas: replicas }, RAISE_TIMEOUT_MS);
  }
}
