import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { askHttp, memberOf } from "../platform-client/ask-http.ts";

/** The `.trellis` folder of a folder or of one above it, whether or not its platform runs now. */
export function findPlatformFolder(from: string): string | undefined {
  for (let at = resolve(from); ; at = dirname(at)) {
    const folder = join(at, ".trellis");
    if (existsSync(folder)) return folder;
    if (dirname(at) === at) return undefined;
  }
}

/**
 * Removes an address that leads nowhere; true when it was that of a platform that was killed. Its process id alone does not tell: after
 * a restart of the machine another program may have it, so somebody must also answer.
 */
export async function removeStaleAddress(folder: string, signal: AbortSignal): Promise<boolean> {
  const file = join(folder, "local.json");
  if (!existsSync(file)) return false;
  const { pid, url } = readAddress(file);
  if (pid !== undefined && isAlive(pid) && url !== undefined && (await askHttp(url, "/version", signal)).ok)
    return false;
  rmSync(file, { force: true });
  // One that cannot be read tells nothing about a platform.
  return pid !== undefined;
}

/** Where the servers of the folder's platform listen; empty when it does not run. */
export function readNatsServers(folder: string): readonly string[] {
  return readAddress(join(folder, "local.json")).nats;
}

interface Address {
  readonly pid: number | undefined;
  readonly url: string | undefined;
  readonly nats: readonly string[];
}

function readAddress(file: string): Address {
  let address: unknown;
  try {
    address = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    address = undefined;
  }
  const pid = memberOf(address, "pid");
  const url = memberOf(address, "url");
  const nats = memberOf(address, "nats");
  return {
    pid: typeof pid === "number" ? pid : undefined,
    url: typeof url === "string" ? url : undefined,
    nats: Array.isArray(nats) ? nats.map(String) : [],
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive too.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
