import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import {
  findNatsServer,
  keepRunning,
  loadControlPlaneKeys,
  loadServerTrust,
  type ManagedNats,
  openOperatorBundle,
  startNats,
  upgradeOperatorBundle,
} from "@trellis/nats";
import { type Config, configWith } from "../config/load-config.ts";
import type { ControlPlane } from "../control-plane.ts";
import { ensureDeveloper } from "../identity/user-commands.ts";
import { createProcessLog } from "../process-log.ts";
import { startWhenNatsIsThere } from "../start-when-nats-is-there.ts";
import { SYSTEM } from "../tables.ts";
import { TRELLIS_VERSION } from "../version.ts";
import {
  localFiles,
  prepareLocalFiles,
  readLocalAddress,
  readPorts,
  removeLocalAddress,
  writeLocalAddress,
  writePorts,
} from "./local-files.ts";

export interface LocalPlatformOptions {
  /** The `.trellis` folder: keys, data and logs of this platform. Made when it is not there. */
  readonly directory: string;
  /** Three servers survive the loss of any one. Default 1. */
  readonly nodes?: 1 | 3;
  /** Replicas of the control plane in this process. Default 1. */
  readonly controlPlanes?: number;
  /** Port of the first replica; 0 takes any free one. Default 3000. */
  readonly httpPort?: number;
  /** Everything else that differs from the defaults. */
  readonly config?: Partial<Config>;
  /** `always` makes an acknowledgement mean "on disk". */
  readonly syncInterval?: string;
  /** Start a server again that ends by itself, and say so. Default false: tests kill servers and want them to stay so. */
  readonly keepNatsRunning?: boolean;
  /** One sentence for each step that may take a moment, and for what happens to the servers later. */
  readonly onProgress?: (text: string) => void;
}

/** A whole platform in this process and the servers it started. */
export interface LocalPlatform extends AsyncDisposable {
  readonly url: string;
  readonly directory: string;
  readonly developer: { readonly name: string; readonly keyFile: string };
  readonly nats: ManagedNats;
  readonly controlPlanes: readonly ControlPlane[];
  stop(): Promise<void>;
}

/** Somebody already runs a platform in this folder. */
export class AlreadyRunning extends Error {
  override readonly name = "AlreadyRunning";
  readonly url: string;

  constructor(url: string) {
    super(`A local platform already runs in this folder, at ${url}. Use that one, or stop it first.`);
    this.url = url;
  }
}

const DEVELOPER = "developer";

/** Starts NATS and the control plane, makes the developer an administrator, and leaves the address for others to find. */
export async function startLocalPlatform(options: LocalPlatformOptions): Promise<LocalPlatform> {
  const { nodes = 1, controlPlanes: replicas = 1, httpPort = 3000, onProgress = () => undefined } = options;
  const files = localFiles(options.directory);
  const running = readLocalAddress(files);
  if (running) throw new AlreadyRunning(running.url);
  prepareLocalFiles(files);
  await using started = new AsyncDisposableStack();

  const binary = await findNatsServer({ onProgress });
  await openOperatorBundle(files.operator);
  const upgraded = await upgradeOperatorBundle(files.operator);
  if (upgraded.length > 0) onProgress(`Bringing the accounts of an older version up to date: ${upgraded.join(", ")}…`);
  onProgress(nodes === 3 ? "Starting three NATS servers…" : "Starting NATS…");
  const nats = started.use(
    await startNats({
      binary,
      directory: files.nats,
      operator: await loadServerTrust(files.operator),
      nodes,
      preferredPorts: readPorts(files),
      ...(options.syncInterval === undefined ? {} : { syncInterval: options.syncInterval }),
    }),
  );

  writePorts(
    files,
    nats.nodes.map(({ ports }) => ports),
  );

  onProgress("Starting the control plane…");
  const logFile = createWriteStream(join(files.logs, "control-plane.log"), { flags: "a", mode: 0o600 });
  started.defer(() => new Promise<void>((resolve) => void logFile.end(resolve)));
  const log = createProcessLog(options.config?.logLevel ?? "info", logFile);
  const keys = await loadControlPlaneKeys(files.operator);
  const controlPlanes: ControlPlane[] = [];
  for (let index = 0; index < replicas; index += 1) {
    const config = configWith({
      local: true,
      natsServers: nats.servers,
      natsWebsocketServers: nats.websocketUrls,
      ...options.config,
      httpPort: index === 0 ? httpPort : 0,
    });
    controlPlanes.push(started.use(await startWhenNatsIsThere({ config, keys, version: TRELLIS_VERSION, log })));
  }
  const [first] = controlPlanes;
  if (!first) throw new Error("A platform needs at least one control plane.");

  const { seed } = loadOrCreateSeedFile(files.developerKey);
  await ensureDeveloper(first.context, { name: DEVELOPER, key: nodeSessionKey(seed).publicKey, by: SYSTEM });
  writeLocalAddress(files, {
    url: first.url,
    developerKeyFile: files.developerKey,
    pid: process.pid,
    nats: nats.servers,
  });
  started.defer(() => removeLocalAddress(files));

  if (options.keepNatsRunning) started.use(keepRunning(nats, { onNews: onProgress }));

  const resources = started.move();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= resources.disposeAsync());
  return {
    url: first.url,
    directory: files.directory,
    developer: { name: DEVELOPER, keyFile: files.developerKey },
    nats,
    controlPlanes,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
