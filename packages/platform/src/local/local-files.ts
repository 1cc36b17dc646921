import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * What a local platform keeps in `.trellis/`. `local.json` tells runtimes and the command line where it is and whose
 * key to use; it exists only while the platform runs, so a stale address is never followed.
 */
export interface LocalFiles {
  readonly directory: string;
  readonly address: string;
  readonly operator: string;
  readonly nats: string;
  readonly logs: string;
  readonly developerKey: string;
}

/** What `local.json` holds. */
export interface LocalAddress {
  readonly url: string;
  readonly developerKeyFile: string;
  /** The process that serves it, so that a file left behind by a killed one is recognised. */
  readonly pid: number;
  readonly nats: readonly string[];
}

export function localFiles(path: string): LocalFiles {
  const directory = resolve(path);
  return {
    directory,
    address: join(directory, "local.json"),
    operator: join(directory, "operator"),
    nats: join(directory, "nats"),
    logs: join(directory, "logs"),
    developerKey: join(directory, "developer.seed"),
  };
}

/** Makes the folders, private to this user: they hold keys. */
export function prepareLocalFiles(files: LocalFiles): void {
  mkdirSync(files.directory, { recursive: true, mode: 0o700 });
  for (const folder of [files.operator, files.nats, files.logs]) mkdirSync(folder, { recursive: true, mode: 0o700 });
}

export function writeLocalAddress(files: LocalFiles, address: LocalAddress): void {
  writeFileSync(files.address, `${JSON.stringify(address, null, 2)}\n`, { mode: 0o600 });
  chmodSync(files.address, 0o600);
}

export function removeLocalAddress(files: LocalFiles): void {
  rmSync(files.address, { force: true });
}

/** The running platform of this folder; undefined when there is none, or only the trace of a killed one. */
export function readLocalAddress(files: LocalFiles): LocalAddress | undefined {
  if (!existsSync(files.address)) return undefined;
  const address: LocalAddress = JSON.parse(readFileSync(files.address, "utf8"));
  return isAlive(address.pid) ? address : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
