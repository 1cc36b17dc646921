import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { spawnGuarded } from "@trellis/nats";
import { freePort } from "./free-port.ts";
import { unprivileged } from "./unprivileged.ts";

export interface RunningRedis extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

export interface RedisOptions {
  /** How often what was appended is forced to the disk. */
  readonly fsync: "everysec" | "always";
}

/** Whether this machine has Redis. `apt-get install redis-server` brings it. */
export function hasRedis(): boolean {
  return spawnSync("redis-server", ["--version"]).status === 0;
}

const READY_WITHIN_MS = 30_000;

/** A Redis of one's own with an append-only file: on a free port, gone with everything in it when disposed of. */
export async function startRedis({ fsync }: RedisOptions): Promise<RunningRedis> {
  const user = unprivileged("redis", "nobody");
  const directory = mkdtempSync(join(tmpdir(), "trellis-redis-"));
  user.own(directory);
  const port = await freePort();
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: directory,
    save: "",
    appendonly: "yes",
    appendfsync: fsync,
    // What queues need: a full memory must refuse, not forget.
    "maxmemory-policy": "noeviction",
  };
  const [command, ...args] = user.as(
    "redis-server",
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  );
  const server = await spawnGuarded(command, args, join(directory, "server.log"));
  const isReady = (): boolean =>
    spawnSync("redis-cli", ["-p", String(port), "ping"], { encoding: "utf8" }).stdout.includes("PONG");
  for (const deadline = performance.now() + READY_WITHIN_MS; !isReady(); await pause(50)) {
    if (!server.running || performance.now() > deadline)
      throw new Error(`Redis did not start; see ${join(directory, "server.log")}`);
  }
  return {
    port,
    pid: server.pid,
    async [Symbol.asyncDispose]() {
      server.ref();
      process.kill(server.pid, "SIGKILL");
      await server.exited;
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
