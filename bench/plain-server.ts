import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer, garbageCollection, spawnGuarded } from "@trellis/nats";
import { untilConnects } from "./until-connects.ts";

/**
 * A nats-server as it comes: one account, no security; JetStream when asked for. It collects its garbage as ours does, or a ratio
 * would say more about that than about us. It cannot outlive this process.
 */
export async function startPlainServer(
  options: { readonly jetStream?: boolean } = {},
): Promise<{ readonly address: string; readonly directory: string } & AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  started.defer(() => rm(directory, { recursive: true, force: true }));
  const { path } = await findNatsServer();
  const port = await freePort();
  const storage = options.jetStream === true ? ["-js", "-sd", join(directory, "jetstream")] : [];
  const server = await spawnGuarded(
    path,
    ["-a", "127.0.0.1", "-p", String(port), ...storage],
    join(directory, "server.log"),
    { env: { ...garbageCollection(), ...process.env } },
  );
  started.defer(async () => {
    server.ref();
    process.kill(server.pid, "SIGKILL");
    await server.exited;
  });
  await untilConnects(port);
  const resources = started.move();
  return { address: `127.0.0.1:${port}`, directory, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** A port nobody listens at now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
