import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { NodePorts } from "@trellis/nats";

/**
 * What a local platform keeps in `.trellis/`. `local.json` tells runtimes and the command line where it is and whose
 * key to use; it exists only while the platform runs, so a stale address is never followed.
 */
export interface LocalFiles {
  readonly directory: string;
  readonly address: string;
  /** Where the NATS servers listened last. */
  readonly ports: string;
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
    ports: join(directory, "ports.json"),
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

/** A service that survived its platform looks for NATS where it was, so the next one listens there again if it can. */
export function writePorts(files: LocalFiles, ports: readonly NodePorts[]): void {
  writeFileSync(files.ports, `${JSON.stringify(ports)}\n`, { mode: 0o600 });
}

/** Empty when there are none, or none that can be read: then any free ones do. */
export function readPorts(files: LocalFiles): readonly Partial<NodePorts>[] {
  try {
    const written: unknown = JSON.parse(readFileSync(files.ports, "utf8"));
    return Array.isArray(written) ? written.map(portsOf) : [];
  } catch {
    return [];
  }
}

function portsOf(node: unknown): Partial<NodePorts> {
  if (typeof node !== "object" || node === null) return {};
  return Object.fromEntries(
    Object.entries(node).filter(([, port]) => Number.isInteger(port) && port > 0 && port < 65_536),
  );
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
