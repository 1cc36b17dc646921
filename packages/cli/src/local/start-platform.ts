import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SeedFileError } from "@trellis/auth/node";
import { NatsServerNotFound, ServerAlreadyRuns } from "@trellis/nats";
import { AlreadyRunning, type LocalPlatform, type LocalPlatformOptions, startLocalPlatform } from "@trellis/platform";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { removeStaleAddress } from "./platform-folder.ts";

/** What `up` and `dev` let people choose. */
export interface PlatformOptions {
  readonly dir: string;
  readonly port?: number;
  readonly nodes: 1 | 3;
  readonly controlPlanes?: number;
}

/** Where the first replica answers unless that port is taken. */
const USUAL_PORT = 3000;

/** Starts the platform of a folder and says how it goes. */
export async function startPlatform(context: CommandContext, options: PlatformOptions): Promise<LocalPlatform> {
  const { terminal, cwd } = context;
  const directory = join(resolve(cwd, options.dir), ".trellis");
  if (await removeStaleAddress(directory, context.signal)) {
    terminal.note("The platform that ran here before was killed; this one goes on with its keys and data.");
  }
  const start = (httpPort: number): Promise<LocalPlatform> =>
    startLocalPlatform({
      directory,
      nodes: options.nodes,
      httpPort,
      keepNatsRunning: true,
      onProgress: (text) => terminal.note(text),
      ...(options.controlPlanes === undefined ? {} : { controlPlanes: options.controlPlanes }),
    } satisfies LocalPlatformOptions);
  const platform = await start(options.port ?? USUAL_PORT)
    .catch((error: unknown) => {
      if (options.port !== undefined || !isPortTaken(error)) throw error;
      terminal.note(`Port ${USUAL_PORT} is taken; taking another one.`);
      return start(0);
    })
    .catch((error: unknown) => {
      throw startFailure(error, directory, options.port);
    });
  keepOutOfGit(directory);
  return platform;
}

function startFailure(error: unknown, directory: string, port: number | undefined): unknown {
  if (error instanceof AlreadyRunning) {
    return new CliFailure({
      code: "already_running",
      what: `a platform already runs in this folder, at ${error.url}`,
      next: ["use that one: trellis status", "or stop it with Ctrl-C in its terminal"],
    });
  }
  if (error instanceof ServerAlreadyRuns) {
    return new CliFailure({
      code: "folder_in_use",
      what: "a platform already runs in this folder",
      why: [error.message],
      next: ["stop it with Ctrl-C in its terminal"],
    });
  }
  if (error instanceof NatsServerNotFound) {
    const [what = "", ...why] = error.message.split("\n").filter((line) => line.trim() !== "");
    return new CliFailure({ code: "no_nats_server", what, why, next: ["trellis doctor checks again"] });
  }
  if (isPortTaken(error)) {
    return new CliFailure({
      code: "port_taken",
      what: `port ${port} is taken by another program`,
      next: ["choose another one: trellis up --port 3001", "or leave --port out to get a free one"],
      exitCode: EXIT.no,
    });
  }
  const trouble = fileTrouble(error);
  if (error instanceof Error && trouble !== undefined) {
    return new CliFailure({
      code: "folder_unusable",
      what: `the platform cannot keep its files in ${directory}: ${trouble}`,
      why: [error.message],
      next: ["choose another folder: trellis up --dir <folder>"],
    });
  }
  if (error instanceof SeedFileError) {
    return new CliFailure({ code: "key_file", what: "a key of this platform cannot be used", why: [error.message] });
  }
  return error;
}

function fileTrouble(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  // Making a folder in a read-only one comes to this.
  if (error.code === "ENOENT" && "syscall" in error && error.syscall === "mkdir") return "the folder cannot be made";
  return FILE_TROUBLE[String(error.code)];
}

/** What a person can do something about, by the system's word for it. */
const FILE_TROUBLE: { readonly [code: string]: string } = {
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "it is read-only",
  EEXIST: "there is a file where a folder must be",
  ENOTDIR: "there is a file where a folder must be",
  ENOSPC: "the disk is full",
  EDQUOT: "this user's share of the disk is full",
};

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

/** Keys never belong in a repository, whatever its own ignore file says. */
function keepOutOfGit(directory: string): void {
  writeFileSync(join(directory, ".gitignore"), "*\n");
}
