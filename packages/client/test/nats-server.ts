import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real nats-server for tests, on a free port; it dies with this process however this process dies. */
export class TestNatsServer {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  /** `config` is nats-server configuration besides the address. */
  static async start(config = ""): Promise<TestNatsServer> {
    const directory = await mkdtemp(join(tmpdir(), "trellis-client-test-"));
    const server = new TestNatsServer(await freePort(), directory);
    await server.configure(config);
    await server.up();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Takes effect with the next `up`. */
  async configure(config: string): Promise<void> {
    await writeFile(join(this.#directory, "nats.conf"), config);
  }

  async up(): Promise<void> {
    const binary = process.env["TRELLIS_NATS_SERVER"] ?? "nats-server";
    // The shell reads its input until we are gone, then takes the server with it.
    const script = '"$@" & server=$!; cat >/dev/null; kill -9 $server 2>/dev/null; wait $server';
    const config = join(this.#directory, "nats.conf");
    this.#child = spawn("sh", ["-c", script, "sh", binary, "-c", config, "-a", "127.0.0.1", "-p", String(this.port)], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    await eventually(() => accepts(this.port), "nats-server accepts connections");
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.stdin?.end();
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Waits until the condition holds; fails after ten seconds. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 10_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    // The server speaks first; an open port alone may be an earlier owner's.
    socket.once("data", () => done(true));
    socket.once("error", () => done(false));
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
  });
}
