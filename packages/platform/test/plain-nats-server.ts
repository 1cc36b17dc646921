import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as openSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A nats-server with JetStream and nothing else, for tests of what needs no accounts. */
export interface PlainNatsServer {
  readonly url: string;
  readonly port: number;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops the process in its tracks (SIGSTOP) or lets it go on. */
  freeze(on: boolean): void;
  remove(): Promise<void>;
}

const BINARY = process.env["TRELLIS_NATS_SERVER"] ?? "nats-server";
// The guard ends with its standard input, so it goes when this process goes, however that ends, and takes the server along.
const GUARD = '"$0" "$@" & server=$!; echo $server; cat >/dev/null; kill -9 $server';

export async function startPlainNatsServer(config = ""): Promise<PlainNatsServer> {
  const directory = mkdtempSync(join(tmpdir(), "trellis-nats-"));
  const port = await freePort();
  const configPath = join(directory, "nats.conf");
  writeFileSync(configPath, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${directory}/js" }\n${config}\n`);
  let guard: ChildProcess | undefined;
  let serverPid = 0;

  const server: PlainNatsServer = {
    url: `nats://127.0.0.1:${port}`,
    port,
    async start() {
      const child = spawn("sh", ["-c", GUARD, BINARY, "-c", configPath], { stdio: ["pipe", "pipe", "ignore"] });
      guard = child;
      serverPid = await new Promise<number>((resolve, reject) => {
        child.once("error", reject);
        child.stdout?.once("data", (data: Buffer) => resolve(Number(data.toString())));
      });
      await until(() => listening(port), "nats-server listens");
    },
    async kill() {
      const child = guard;
      if (!child) return;
      guard = undefined;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      process.kill(serverPid, "SIGKILL");
      child.stdin?.end();
      await gone;
    },
    freeze(on) {
      process.kill(serverPid, on ? "SIGSTOP" : "SIGCONT");
    },
    async remove() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** Polls until the condition holds; fails with its name after the deadline. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 15_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

function listening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket(port, "127.0.0.1");
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => done(true));
    socket.once("error", () => done(false));
  });
}
