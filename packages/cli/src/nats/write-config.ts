import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import {
  BUNDLE_FILES,
  DEFAULT_AUTH_TIMEOUT_MS,
  DEFAULT_MAX_PAYLOAD_BYTES,
  openOperatorBundle,
  PINNED_VERSION,
  serverConfig,
  type TlsFiles,
  upgradeBundle,
  upgradeOperatorBundle,
} from "@trellis/nats";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

const PORTS = { client: 4222, monitor: 8222, websocket: 9222, cluster: 6222 };

export interface NatsConfigOptions {
  readonly server: readonly string[];
  readonly data: string;
  readonly upgrade?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

/** Writes `<folder>/keys` once and `<folder>/<host>.json` for each server. */
export async function writeNatsConfig(
  context: CommandContext,
  folder: string,
  options: NatsConfigOptions,
): Promise<void> {
  const { terminal, cwd } = context;
  requireHosts(options.server);
  const directory = resolve(cwd, folder);
  const keys = join(directory, "keys");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await openOperatorBundle(keys);
  const upgraded = options.upgrade ? await upgradeOperatorBundle(keys) : [];
  const bundle = await openOperatorBundle(keys);
  const { server } = bundle;
  const outdated = upgradeBundle(bundle).changed;
  const hosts = [...new Set(options.server)];
  const tls = tlsFiles(options);
  const files = hosts.map((host) => {
    const written = serverConfig(
      {
        operator: server,
        host: "0.0.0.0",
        websocket: tls === undefined ? {} : { tls },
        tls,
        clusterTls: tls,
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
  if (outdated.length > 0) {
    terminal.note(
      `An older version made the accounts ${outdated.join(", ")}: newer surfaces will not work. Issue them anew: --upgrade`,
    );
  }
  terminal.answer({ keys, servers: files, upgraded, outdated }, () => {
    if (upgraded.length > 0)
      terminal.print(
        `Issued anew: ${upgraded.join(", ")}. Give each server its file and restart one after the other, then the control planes.`,
      );
    terminal.print(`Keys: ${relative(cwd, keys)}. Keep ${BUNDLE_FILES.operator} offline: it signs everything else.`);
    for (const [index, file] of files.entries())
      terminal.print(`On ${hosts[index]}: nats-server -c ${relative(cwd, file)}`);
    terminal.print(`The control plane: TRELLIS_OPERATOR_DIR=${relative(cwd, keys)} TRELLIS_NATS_SERVERS=${urls}`);
    if (tls === undefined)
      terminal.print("There is no TLS: add --tls-cert and --tls-key before anything but your own machines reaches it.");
    else if (tls.caFile !== undefined)
      terminal.print(`The control plane also needs TRELLIS_NATS_CA_FILE, with what is in ${tls.caFile}.`);
  });
}

/** The same files for everybody who connects: clients, browsers, the other servers. */
function tlsFiles({ tlsCert, tlsKey, tlsCa }: NatsConfigOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CliFailure({
      code: "usage",
      what: "a certificate and its key are given together or not at all",
      next: ["--tls-cert server.crt --tls-key server.key"],
      exitCode: EXIT.usage,
    });
  }
  return { certFile: tlsCert, keyFile: tlsKey, ...(tlsCa === undefined ? {} : { caFile: tlsCa }) };
}

/** Servers on machines of their own reach each other by name, not over one address. */
function withRoutes(written: string, hosts: readonly string[], secret: string): string {
  const config: { cluster?: { routes: readonly string[] } } = JSON.parse(written);
  if (config.cluster !== undefined) {
    config.cluster.routes = hosts.map((host) => `nats://trellis:${secret}@${host}:${PORTS.cluster}`);
  }
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Each becomes part of an address and the name of a file. */
function requireHosts(hosts: readonly string[]): void {
  const wrong = hosts.filter((host) => !/^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$/.test(host));
  if (wrong.length === 0) return;
  throw new CliFailure({
    code: "usage",
    what: `${wrong.map((host) => `"${host}"`).join(", ")} cannot be the name of a server`,
    why: ["a name is letters, digits, dots and dashes, without a port and without nats://"],
    next: ["write it like this: --server n1.example.com n2.example.com n3.example.com"],
    exitCode: EXIT.usage,
  });
}
