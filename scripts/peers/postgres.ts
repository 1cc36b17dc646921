import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnGuarded } from "@trellis/nats";
import { findPostgres } from "../find-postgres.ts";
import { freePort } from "./free-port.ts";
import { unprivileged } from "./unprivileged.ts";

export interface RunningPostgres extends AsyncDisposable {
  /** For anything that takes a connection string. */
  readonly url: string;
  readonly pid: number;
}

export interface PostgresOptions {
  /** Settings that differ from those of a new cluster, such as `{ synchronous_commit: "off" }`. */
  readonly settings?: { readonly [name: string]: string };
}

/** Whether this machine has PostgreSQL. */
export function hasPostgres(): boolean {
  return findPostgres() !== undefined;
}

const READY_WITHIN_MS = 60_000;
const TEXT = ["-E", "UTF8", "--no-locale", "--no-sync"];

/** A PostgreSQL of one's own: a new cluster on a free port, gone with everything in it when disposed of. */
export async function startPostgres({ settings = {} }: PostgresOptions = {}): Promise<RunningPostgres> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error("There is no PostgreSQL here; scripts/install-postgres.sh brings it.");
  const user = unprivileged("postgres", "nobody");
  const directory = mkdtempSync(join(tmpdir(), "trellis-postgres-"));
  user.own(directory);
  const data = join(directory, "data");
  const [initdb, ...how] = user.as(join(programs, "initdb"), ["-D", data, "-U", "trellis", "-A", "trust", ...TEXT]);
  const made = spawnSync(initdb, how, { encoding: "utf8", cwd: directory });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await freePort();
  const chosen = Object.entries({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port: String(port),
    ...settings,
  });
  const [command, ...args] = user.as(join(programs, "postgres"), [
    "-D",
    data,
    ...chosen.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ]);
  const log = join(directory, "server.log");
  const server = await spawnGuarded(command, args, log);
  const isReady = (): boolean => readFileSync(log, "utf8").includes("ready to accept connections");
  for (const deadline = performance.now() + READY_WITHIN_MS; !isReady(); await pause(50)) {
    if (!server.running || performance.now() > deadline) throw new Error(`PostgreSQL did not start; see ${log}`);
  }
  return {
    url: `postgres://trellis@127.0.0.1:${port}/postgres`,
    pid: server.pid,
    async [Symbol.asyncDispose]() {
      server.ref();
      // Fast: connections are cut, and no process of it is left behind.
      process.kill(server.pid, "SIGINT");
      await server.exited;
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
