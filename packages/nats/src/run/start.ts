import { join, resolve } from "node:path";
import type { NatsBinary } from "../binary/find.ts";
import type { ServerTrust } from "../operator/bundle.ts";
import {
  DEFAULT_AUTH_TIMEOUT_MS,
  DEFAULT_MAX_PAYLOAD_BYTES,
  type NodePorts,
  type ServerSettings,
  type TlsFiles,
  type WebsocketOptions,
} from "./config.ts";
import { NatsNode, PortTaken, type StopOptions } from "./node.ts";
import { choosePorts, requireFree } from "./ports.ts";
import { leadsAll, untilReady } from "./readiness.ts";

export interface NatsOptions {
  readonly binary: NatsBinary;
  /** Data, logs and configuration, a folder for each node. Kept between runs. */
  readonly directory: string;
  readonly operator: ServerTrust;
  /** A cluster of three survives the loss of any one. Default 1. */
  readonly nodes?: 1 | 3;
  /** Where to listen. Default 127.0.0.1: nobody but this machine. */
  readonly host?: string;
  /** Fixed ports, one entry a node; the rest are free ones. */
  readonly ports?: readonly Partial<NodePorts>[];
  /** Ports to take if they are free, one entry a node: those of the last run, where clients still look. */
  readonly preferredPorts?: readonly Partial<NodePorts>[];
  readonly tls?: TlsFiles;
  /** Between the servers of a cluster. Its certificates serve both ends, and need an authority both know. */
  readonly clusterTls?: TlsFiles;
  /** Default on, without TLS. */
  readonly websocket?: WebsocketOptions | boolean;
  /** `always` makes an acknowledgement mean "on disk", at about a tenth of the speed; or a duration. Default 2m. */
  readonly syncInterval?: string;
  /** How long a connection may wait for the auth callout. */
  readonly authTimeoutMs?: number;
  readonly maxPayloadBytes?: number;
}

/** Running servers. They end with this process, however it ends; they do not keep it alive. */
export interface ManagedNats extends AsyncDisposable {
  readonly nodes: readonly NatsNode[];
  /** For clients; any of them is enough. */
  readonly servers: readonly string[];
  readonly websocketUrls: readonly string[];
  readonly monitorUrls: readonly string[];
  /** Resolves when every node works and, in a cluster, JetStream has a leader that sees them all. */
  ready(timeoutMs?: number): Promise<void>;
  stop(options?: StopOptions): Promise<void>;
}

/** Starts one server or a cluster of three, and waits until JetStream works. */
export async function startNats(options: NatsOptions): Promise<ManagedNats> {
  const { host = "127.0.0.1", nodes: count = 1, ports: wanted = [] } = options;
  const settings: ServerSettings = {
    operator: options.operator,
    host,
    tls: options.tls,
    clusterTls: options.clusterTls,
    websocket: websocketOptions(options.websocket),
    syncInterval: options.syncInterval,
    authTimeoutMs: options.authTimeoutMs ?? DEFAULT_AUTH_TIMEOUT_MS,
    maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
    version: options.binary.version,
  };
  for (const ports of wanted) await requireFree(host, ports);
  const nodes = await startNodes(options, settings, count);
  const nats = manage(nodes, settings);
  try {
    await nats.ready();
  } catch (error) {
    await nats.stop({ signal: "SIGKILL" });
    throw error;
  }
  return nats;
}

const START_TRIES = 5;

function websocketOptions(wanted: WebsocketOptions | boolean = true): WebsocketOptions | false {
  if (wanted === true) return {};
  return wanted;
}

/** All nodes listening. Routes name every port, so when one was taken meanwhile all start anew with other ports. */
async function startNodes(options: NatsOptions, settings: ServerSettings, count: number): Promise<readonly NatsNode[]> {
  for (let attempt = 1; ; attempt++) {
    const nodes = await planNodes(options, settings, count, attempt === 1 ? options.preferredPorts : undefined);
    const started = await Promise.allSettled(nodes.map((node) => node.start()));
    const failures = started
      .filter((outcome) => outcome.status === "rejected")
      .map((outcome): unknown => outcome.reason);
    if (failures.length === 0) return nodes;
    await Promise.all(nodes.map((node) => node.stop({ signal: "SIGKILL" })));
    const serious = failures.find((failure) => !(failure instanceof PortTaken));
    if (serious !== undefined || attempt === START_TRIES) throw serious ?? failures[0];
  }
}

async function planNodes(
  options: NatsOptions,
  settings: ServerSettings,
  count: number,
  preferred: readonly Partial<NodePorts>[] = [],
): Promise<readonly NatsNode[]> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  const ports = await Promise.all(
    indexes.map((index) => choosePorts(settings.host, options.ports?.[index], preferred[index])),
  );
  const routes = ports.map(({ cluster }) => cluster);
  return ports.map((own, index) => {
    const name = `n${index + 1}`;
    const directory = resolve(join(options.directory, name));
    return new NatsNode(options.binary.path, settings, { name, directory, ports: own, routes });
  });
}

function manage(nodes: readonly NatsNode[], { host, tls, websocket }: ServerSettings): ManagedNats {
  // A server that listens everywhere is reached from here over loopback.
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const stop = async (options?: StopOptions): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop(options)));
  };
  return {
    nodes,
    servers: nodes.map(({ ports }) => `${tls === undefined ? "nats" : "tls"}://${reachable}:${ports.client}`),
    websocketUrls:
      websocket === false
        ? []
        : nodes.map(({ ports }) => `${websocket.tls === undefined ? "ws" : "wss"}://${reachable}:${ports.websocket}`),
    monitorUrls: nodes.map(({ ports }) => `http://127.0.0.1:${ports.monitor}`),
    async ready(timeoutMs = 20_000) {
      const deadline = Date.now() + timeoutMs;
      await Promise.all(nodes.map((node) => node.healthy(timeoutMs)));
      if (nodes.length > 1) await untilReady(() => electedLeader(nodes), deadline);
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

async function electedLeader(nodes: readonly NatsNode[]): Promise<string | undefined> {
  const leads = await Promise.all(nodes.map((node) => leadsAll(node.ports.monitor, node.name, nodes.length)));
  return leads.includes(true) ? undefined : "JetStream has no leader that sees every node of the cluster";
}
