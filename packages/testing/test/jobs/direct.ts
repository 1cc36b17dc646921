import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { localFiles } from "@trellis/platform";
import type { TestPlatform } from "../../src/index.ts";

/** A connection to the streams themselves, to look and to do harm. */
export async function connectData(platform: TestPlatform): Promise<NatsConnection & AsyncDisposable> {
  const keys = await loadControlPlaneKeys(localFiles(platform.local.directory).operator);
  const user = createDirectUser(keys, "DATA", { name: "jobs-test" });
  const nc = await connect({ servers: [...platform.local.nats.servers], authenticator: directAuthenticator(user) });
  return Object.assign(nc, { [Symbol.asyncDispose]: () => nc.close() });
}
