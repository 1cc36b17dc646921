import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { findNatsServer, PINNED_VERSION } from "@trellis/nats";
import type { CommandContext } from "../command.ts";
import { findPlatformFolder } from "../local/platform-folder.ts";
import type { Finding } from "./finding.ts";

/** Runs TypeScript without a build step. */
const OLDEST_NODE = { major: 22, minor: 18 };

export function checkNode(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const { major: wanted, minor: wantedMinor } = OLDEST_NODE;
  if (major > wanted || (major === wanted && minor >= wantedMinor))
    return { name: "Node", state: "ok", detail: version };
  return {
    name: "Node",
    state: "problem",
    detail: `${version} is older than ${wanted}.${wantedMinor}`,
    next: "install Node 24 from https://nodejs.org",
  };
}

/** Looks without fetching: a doctor changes nothing. */
export async function checkNatsServer({ env }: Pick<CommandContext, "env">): Promise<Finding> {
  const name = "nats-server";
  try {
    const { version, path, source } = await findNatsServer({ env, fetch: false });
    return { name, state: "ok", detail: `${version} at ${path} (${source})` };
  } catch (error) {
    const detail = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    if (env["TRELLIS_NATS_SERVER"])
      return { name, state: "problem", detail, next: "correct TRELLIS_NATS_SERVER, or unset it" };
    return { name, state: "skipped", detail: `none here yet; trellis up fetches ${PINNED_VERSION}` };
  }
}

/** Files of the local platform that others could read hold keys others could use. */
export function checkFiles({ cwd }: CommandContext): readonly Finding[] {
  const folder = findPlatformFolder(cwd);
  const name = "local files";
  if (folder === undefined) return [{ name, state: "skipped", detail: "no .trellis in this folder or one above it" }];
  if (process.platform === "win32") return [{ name, state: "skipped", detail: "this system has no file modes" }];
  const open = [folder, ...secretsIn(folder)].filter((path) => (statSync(path).mode & 0o077) !== 0);
  if (open.length === 0)
    return [{ name, state: "ok", detail: `${relative(cwd, folder) || folder}, for your eyes only` }];
  return open.map((path) => ({
    name,
    state: "problem" as const,
    detail: `others than you may use ${relative(cwd, path) || path}`,
    next: `chmod go-rwx ${path}`,
  }));
}

function secretsIn(folder: string): readonly string[] {
  const inside = (directory: string): string[] =>
    existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  const files = ["local.json", "developer.seed"].map((name) => join(folder, name)).filter((path) => existsSync(path));
  return [...files, ...inside(join(folder, "operator")), ...inside(join(folder, "keys"))];
}
