import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import {
  BUNDLE_FILES,
  DEFAULT_AUTH_TIMEOUT_MS,
  DEFAULT_MAX_PAYLOAD_BYTES,
  openOperatorBundle,
  PINNED_VERSION,
  serverConfig,
} from "@trellis/nats";
import type { CommandContext } from "../command.ts";

const PORTS = { client: 4222, monitor: 8222, websocket: 9222, cluster: 6222 };

/** Writes `<folder>/keys` once and `<folder>/<host>.json` for each server. */
export async function writeNatsConfig(
  context: CommandContext,
  folder: string,
  options: { readonly server: readonly string[]; readonly data: string },
): Promise<void> {
  const { terminal, cwd } = context;
  const directory = resolve(cwd, folder);
  const keys = join(directory, "keys");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { server } = await openOperatorBundle(keys);
  const hosts = [...new Set(options.server)];
  const files = hosts.map((host) => {
    const written = serverConfig(
      {
        operator: server,
        host: "0.0.0.0",
        websocket: {},
        authTimeoutMs: DEFAULT_AUTH_TIMEOUT_MS,
        maxPayloadBytes: DEFAULT_MAX_PAYLOAD_BYTES,
        version: PINNED_VERSION,
      },
      { name: host, directory: options.data, ports: PORTS, routes: hosts.map(() => PORTS.cluster) },
    );
    const file = join(directory, `${host}.json`);
    // It holds the cluster's secret.
    writeFileSync(file, withRoutes(written, hosts, server.clusterSecret), { mode: 0o600 });
    return file;
  });
  const urls = hosts.map((host) => `nats://${host}:${PORTS.client}`).join(",");
  terminal.answer({ keys, servers: files }, () => {
    terminal.print(`Keys: ${relative(cwd, keys)}. Keep ${BUNDLE_FILES.operator} offline: it signs everything else.`);
    for (const [index, file] of files.entries())
      terminal.print(`On ${hosts[index]}: nats-server -c ${relative(cwd, file)}`);
    terminal.print(`The control plane: TRELLIS_OPERATOR_DIR=${relative(cwd, keys)} TRELLIS_NATS_SERVERS=${urls}`);
    terminal.print("Add a tls section to each server before anything but your own machines reaches it.");
  });
}

/** Servers on machines of their own reach each other by name, not over one address. */
function withRoutes(written: string, hosts: readonly string[], secret: string): string {
  const config: { cluster?: { routes: readonly string[] } } = JSON.parse(written);
  if (config.cluster !== undefined) {
    config.cluster.routes = hosts.map((host) => `nats://trellis:${secret}@${host}:${PORTS.cluster}`);
  }
  return `${JSON.stringify(config, null, 2)}\n`;
}
