import { join } from "node:path";
import type { NatsConnection } from "@nats-io/nats-core";
import { nodeConnect } from "@trellis/client/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import type { TestPlatform } from "../../src/index.ts";

/** Everything an account allows, with none of our checks: to look into the streams, or to send what no client of ours would. */
export async function connectRaw(platform: TestPlatform, account: "TRELLIS" | "DATA"): Promise<NatsConnection> {
  const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
  return nodeConnect({
    servers: [...platform.local.nats.servers],
    authenticator: directAuthenticator(createDirectUser(keys, account, { name: "test" })),
    ignoreAuthErrorAbort: true,
    maxReconnectAttempts: -1,
  });
}
