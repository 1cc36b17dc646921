import { randomBytes } from "node:crypto";
import { chmod, mkdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Where fetched servers are kept, one folder a version. A file is there whole or not at all. */

export function cacheDirectory(env: NodeJS.ProcessEnv, platform: string): string {
  if (env.TRELLIS_CACHE) return env.TRELLIS_CACHE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "trellis");
  if (platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "trellis", "cache");
  return join(homedir(), ".cache", "trellis");
}

export function cachedProgram(cache: string, version: string, program: string): string {
  return join(cache, "nats-server", version, program);
}

/**
 * Stores the program at `path` if it passes `check`, which runs it from a name nobody else uses. Several processes may
 * do this at once: each writes its own draft, the last rename wins, all are equal.
 */
export async function storeProgram(
  path: string,
  program: Uint8Array,
  check: (draft: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const created = await mkdir(folder, { recursive: true });
  const draft = join(folder, `${randomBytes(6).toString("hex")}.tmp${path.endsWith(".exe") ? ".exe" : ""}`);
  try {
    await writeFile(draft, program);
    await chmod(draft, 0o755);
    await check(draft);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    if (created !== undefined) await rmdir(folder).catch(() => undefined);
    throw error;
  }
}
