import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection, ConnectionOptions } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import {
  createDirectUser,
  createOperatorBundle,
  directAuthenticator,
  findNatsServer,
  startNats,
  type AccountName,
  type ManagedNats,
  type NatsOptions,
  type OperatorBundle,
  type UserPermissions,
} from "../src/index.ts";

/** A real server, or three, for one test file; everything is gone after `close`. */
export interface Live {
  readonly nats: ManagedNats;
  readonly bundle: OperatorBundle;
  readonly directory: string;
  connect(account: AccountName, permissions?: UserPermissions, options?: ConnectionOptions): Promise<NatsConnection>;
  close(): Promise<void>;
}

export async function startLive(options: Partial<NatsOptions> = {}): Promise<Live> {
  const directory = await mkdtemp(join(tmpdir(), "trellis-nats-test-"));
  const bundle = createOperatorBundle();
  const binary = await findNatsServer();
  const nats = await startNats({ binary, directory, operator: bundle.server, ...options });
  const connections: NatsConnection[] = [];
  return {
    nats,
    bundle,
    directory,
    async connect(account, permissions, extra) {
      const user = createDirectUser(bundle.controlPlane, account, {
        name: "test",
        permissions: permissions ?? "everything",
      });
      const connection = await connect({
        servers: [...nats.servers],
        authenticator: directAuthenticator(user),
        ...extra,
      });
      connections.push(connection);
      return connection;
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
      await nats.stop({ signal: "SIGKILL" });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Polls until `check` gives something, and fails past the deadline. */
export async function eventually<T>(
  check: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 5_000,
): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const value = await check();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
  }
}
