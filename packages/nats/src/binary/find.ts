import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory, cachedProgram, storeProgram } from "./cache.ts";
import { pinnedChecksums, type Checksums } from "./checksums.ts";
import { downloadServer } from "./download.ts";
import { goInstallServer } from "./go-install.ts";
import {
  compareVersions,
  OLDEST_VERSION,
  PINNED_VERSION,
  programName,
  releaseTarget,
  type Machine,
} from "./release.ts";

/** A nats-server program that runs on this machine. */
export interface NatsBinary {
  readonly path: string;
  readonly version: string;
  readonly source: "environment" | "path" | "cache" | "release" | "go";
}

export interface FindOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Default: `TRELLIS_CACHE`, or `trellis` in the user's cache folder. */
  readonly cache?: string;
  /** Default: `TRELLIS_NATS_RELEASES`, or the project's releases on GitHub. */
  readonly releases?: string;
  readonly version?: string;
  /** SHA-256 of archives by target, trusted before the release's own `SHA256SUMS`. Default: those kept in this package. */
  readonly checksums?: Checksums;
  readonly machine?: Machine;
  /** `false` looks at what this machine has and fetches nothing. */
  readonly fetch?: boolean;
  /** Told what is happening when finding takes long. */
  readonly onProgress?: (text: string) => void;
}

/** No way led to a server; `message` says what was tried and what a person can do. */
export class NatsServerNotFound extends Error {
  override readonly name = "NatsServerNotFound";
}

const GITHUB = "https://github.com/nats-io/nats-server/releases/download";

/**
 * In order: `TRELLIS_NATS_SERVER`; `PATH`, if recent enough; our cache; the official release archive, verified;
 * `go install`. What fails leaves nothing behind and the next way is tried.
 */
export async function findNatsServer(options: FindOptions = {}): Promise<NatsBinary> {
  const env = options.env ?? process.env;
  const machine = options.machine ?? { platform: process.platform, arch: process.arch };
  const version = options.version ?? PINNED_VERSION;
  const onProgress = options.onProgress ?? (() => undefined);
  const program = programName(machine.platform);

  // Somebody who names a server wants that one: no other takes its place.
  if (env.TRELLIS_NATS_SERVER) return named(env.TRELLIS_NATS_SERVER);

  const problems: string[] = [];
  for (const path of await onPath(program, env)) {
    const found = await versionOf(path).catch(() => undefined);
    if (found !== undefined && compareVersions(found, OLDEST_VERSION) >= 0)
      return { path, version: found, source: "path" };
    problems.push(
      `${path} is ${found === undefined ? "not a nats-server that runs" : `version ${found}, older than ${OLDEST_VERSION}`}`,
    );
  }
  if (problems.length === 0) problems.push("PATH has no nats-server");

  const cached = cachedProgram(options.cache ?? cacheDirectory(env, machine.platform), version, program);
  if ((await versionOf(cached).catch(() => undefined)) === version) return { path: cached, version, source: "cache" };

  if (options.fetch === false) throw notFound(version, problems);

  const keep = (bytes: Uint8Array): Promise<void> =>
    storeProgram(cached, bytes, async (draft) => {
      const found = await versionOf(draft);
      if (found !== version) throw new Error(`it is version ${found} and must be ${version}`);
    });

  const ways: readonly { source: "release" | "go"; fetch: () => Promise<Uint8Array> }[] = [
    { source: "release", fetch: () => download(options, env, machine, version, program, onProgress) },
    { source: "go", fetch: () => compile(env, machine, version, program, onProgress) },
  ];
  for (const { source, fetch } of ways) {
    try {
      await keep(await fetch());
      onProgress(`nats-server ${version} is ready in ${cached}`);
      return { path: cached, version, source };
    } catch (error) {
      const problem = `${source === "release" ? "download" : "compile"}: ${error instanceof Error ? error.message : String(error)}`;
      problems.push(problem);
      onProgress(problem);
    }
  }
  throw notFound(version, problems);
}

async function named(path: string): Promise<NatsBinary> {
  let version: string;
  try {
    version = await versionOf(path);
  } catch {
    throw new NatsServerNotFound(
      `TRELLIS_NATS_SERVER names ${path}, which is not a nats-server that runs here. Correct it, or unset it to let Trellis find one.`,
    );
  }
  if (compareVersions(version, OLDEST_VERSION) >= 0) return { path, version, source: "environment" };
  throw new NatsServerNotFound(
    `TRELLIS_NATS_SERVER names ${path}, version ${version}; Trellis needs ${OLDEST_VERSION} or newer. Update it, or unset the variable to let Trellis find one.`,
  );
}

async function download(
  options: FindOptions,
  env: NodeJS.ProcessEnv,
  machine: Machine,
  version: string,
  program: string,
  onProgress: (text: string) => void,
): Promise<Uint8Array> {
  const target = releaseTarget(machine);
  if (target === undefined) throw new Error(`there is no release for ${machine.platform} on ${machine.arch}`);
  const releases = options.releases ?? env.TRELLIS_NATS_RELEASES ?? GITHUB;
  const checksums = options.checksums ?? pinnedChecksums(version);
  return downloadServer({ releases, version, target, program, checksums, onProgress });
}

async function compile(
  env: NodeJS.ProcessEnv,
  machine: Machine,
  version: string,
  program: string,
  onProgress: (text: string) => void,
): Promise<Uint8Array> {
  const [go] = await onPath(machine.platform === "win32" ? "go.exe" : "go", env);
  if (go === undefined) throw new Error("there is no Go toolchain on PATH");
  return goInstallServer({ go, version, program, env, onProgress });
}

/** Programs of this name on PATH, in order. */
async function onPath(program: string, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const candidates = (env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program));
  const runnable = await Promise.all(
    candidates.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return candidates.filter((_, index) => runnable[index]);
}

/** Asks the program itself; throws when it is not a nats-server that runs. */
async function versionOf(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 10_000 });
  const version = /nats-server: v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${path} is not a nats-server`);
  return version;
}

function notFound(version: string, problems: readonly string[]): NatsServerNotFound {
  return new NatsServerNotFound(
    [
      "No nats-server was found and none could be fetched:",
      ...problems.map((problem) => `  - ${problem}`),
      "Do one of these and try again:",
      `  - install nats-server ${OLDEST_VERSION} or newer, so that it is on PATH (https://nats.io/download)`,
      "  - set TRELLIS_NATS_SERVER to the path of one",
      "  - set TRELLIS_NATS_RELEASES to a mirror of the project's releases",
      `  - install Go 1.25 or newer: Trellis then compiles version ${version} itself`,
    ].join("\n"),
  );
}
