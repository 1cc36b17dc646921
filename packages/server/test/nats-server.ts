import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "@trellis/nats";

export interface PlainServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A nats-server without any authentication. It ends with its shell, and the shell ends when our pipe to it closes. */
export async function startPlainServer(port?: number): Promise<PlainServer> {
  const listen = port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), "trellis-server-test-"));
  const { path } = await findNatsServer();
  const script = 'exec 3<&0; "$0" -a 127.0.0.1 -p "$1" -l "$2" </dev/null & read -r _ <&3; kill -9 $!';
  const shell = spawn("sh", ["-c", script, path, String(listen), join(folder, "log")], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  await untilListening(listen);
  return {
    url: `nats://127.0.0.1:${listen}`,
    port: listen,
    async stop() {
      shell.stdin.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") return reject(new Error("no port"));
      server.close(() => resolve(address.port));
    });
  });
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("nats-server did not start within 10 s");
}
