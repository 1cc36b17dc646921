import { join } from "node:path";
import type { ServerTrust } from "../operator/bundle.ts";

/** The configuration of one server, as JSON, which nats-server reads: no text of ours has to quote anything. */

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Trusted for client certificates when `verify` asks for them. */
  readonly caFile?: string;
  readonly verify?: boolean;
}

export interface WebsocketOptions {
  /** Without it the listener speaks plain `ws`, for loopback or behind a proxy that ends TLS. */
  readonly tls?: TlsFiles;
  /** Pages that may connect, such as `https://app.example.com`; omitted: every page. */
  readonly allowedOrigins?: readonly string[];
}

export interface NodePorts {
  readonly client: number;
  readonly monitor: number;
  readonly websocket: number;
  readonly cluster: number;
}

export interface ServerSettings {
  readonly operator: ServerTrust;
  readonly host: string;
  readonly tls?: TlsFiles | undefined;
  readonly clusterTls?: TlsFiles | undefined;
  readonly websocket: WebsocketOptions | false;
  /** How long acknowledged messages may wait for the disk: `always`, or a duration such as `10s`. Default of the server: 2m. */
  readonly syncInterval?: string | undefined;
  readonly authTimeoutMs: number;
  readonly maxPayloadBytes: number;
  readonly version: string;
}

export interface NodeSettings {
  readonly name: string;
  readonly directory: string;
  readonly ports: NodePorts;
  /** Cluster ports of all nodes, this one included; one node alone has no cluster. */
  readonly routes: readonly number[];
}

/** How long a connection may wait for the callout: a storm of reconnects or a restarting control plane takes seconds. */
export const DEFAULT_AUTH_TIMEOUT_MS = 5_000;

/**
 * Above the server's 1 MB, because permissions ride in one message: a callout answer with 20 000 subjects is 1.4 MB.
 * Below the 8 MB from which the server warns: each slow connection may hold several in memory.
 */
export const DEFAULT_MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;

/** The CONNECT line holds the JWT of a direct user; the server's 4 096 end at about 60 subjects, this at about 550. */
const MAX_CONTROL_LINE_BYTES = 32 * 1024;

export function serverConfig(server: ServerSettings, node: NodeSettings): string {
  const { operator } = server;
  const config = {
    server_name: node.name,
    host: server.host,
    port: node.ports.client,
    // Health and figures without authentication, so never beyond this machine.
    http: `127.0.0.1:${node.ports.monitor}`,
    tls: server.tls && tls(server.tls),
    max_payload: server.maxPayloadBytes,
    max_control_line: MAX_CONTROL_LINE_BYTES,
    // A peer that vanished without a word is noticed after one minute instead of six: offers follow connections.
    ping_interval: "20s",
    ping_max: 2,

    operator: operator.operatorJwt,
    system_account: operator.accounts.SYS.id,
    resolver: { type: "full", dir: join(node.directory, "accounts"), allow_delete: false, interval: "2m" },
    resolver_preload: Object.fromEntries(Object.values(operator.accounts).map(({ id, jwt }) => [id, jwt])),
    default_sentinel: operator.sentinelJwt,
    authorization: { timeout: server.authTimeoutMs / 1000 },

    jetstream: {
      store_dir: join(node.directory, "jetstream"),
      sync_interval: server.syncInterval,
      // From 2.15 a stream has at most 1 000 consumers unless told otherwise: one events stream serves every group.
      limits: atLeast(server.version, 2, 15) ? { default_max_consumers: -1 } : undefined,
    },
    websocket: server.websocket === false ? undefined : websocket(server.host, node.ports.websocket, server.websocket),
    cluster: node.routes.length > 1 ? cluster(server, node) : undefined,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [have = 0, haveMinor = 0] = version.split(".").map(Number);
  return have > major || (have === major && haveMinor >= minor);
}

function tls(files: TlsFiles): object {
  return {
    cert_file: files.certFile,
    key_file: files.keyFile,
    ca_file: files.caFile,
    verify: files.verify,
  };
}

function websocket(host: string, port: number, options: WebsocketOptions): object {
  return {
    host,
    port,
    ...(options.tls === undefined ? { no_tls: true } : { tls: tls(options.tls) }),
    allowed_origins: options.allowedOrigins,
  };
}

function cluster(server: ServerSettings, node: NodeSettings): object {
  const user = "trellis";
  const password = server.operator.clusterSecret;
  return {
    name: "trellis",
    host: server.host,
    port: node.ports.cluster,
    authorization: { user, password },
    // Both ends of a route show a certificate of the same authority.
    tls: server.clusterTls && tls({ ...server.clusterTls, verify: true }),
    routes: node.routes.map((port) => `nats://${user}:${password}@${server.host}:${port}`),
  };
}
