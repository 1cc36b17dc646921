import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { startPlatform } from "@trellis/testing";
import { freePort, startPlainServer } from "../plain-server.ts";
import { KEY_FILES, SERVICE_NAME } from "./trellis-access.ts";

/** Where the contenders meet: a bare nats-server, a whole platform, and a free port. */
export interface Arena extends AsyncDisposable {
  addressOf(contender: string): string;
  /** What the processes of contenders find in their environment. */
  readonly env: NodeJS.ProcessEnv;
}

export async function startArena(): Promise<Arena> {
  await using started = new AsyncDisposableStack();
  const plain = started.use(await startPlainServer());
  const platform = started.use(await startPlatform());
  const directory = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  started.defer(() => rm(directory, { recursive: true, force: true }));

  const seed = newSeed();
  const serviceKeyFile = join(directory, "service.seed");
  writeSeedFile(serviceKeyFile, seed);
  await platform.admin.rpc.auth.deploymentsCreate({ name: SERVICE_NAME, mode: "mutable-dev" }).orThrow();
  await platform.admin.rpc.auth
    .instancesProvision({ deployment: SERVICE_NAME, sessionKey: nodeSessionKey(seed).publicKey })
    .orThrow();

  const grpcAddress = `127.0.0.1:${await freePort()}`;
  const resources = started.move();
  return {
    addressOf(contender) {
      if (contender === "grpc") return grpcAddress;
      return contender === "ed25519" ? platform.url : plain.address;
    },
    env: { [KEY_FILES.service]: serviceKeyFile, [KEY_FILES.user]: platform.local.developer.keyFile },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
