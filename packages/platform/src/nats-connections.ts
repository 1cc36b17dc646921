import type { NatsConnection } from "@nats-io/nats-core";
import { nodeConnect } from "@trellis/client/node";
import { type AccountName, type ControlPlaneKeys, createDirectUser, directAuthenticator } from "@trellis/nats";
import type { Log } from "./log.ts";

/** The control plane's ways into NATS, one an account: what it does in one can never leak into another. */
export interface NatsConnections {
  readonly sys: NatsConnection;
  readonly auth: NatsConnection;
  readonly trellis: NatsConnection;
  readonly data: NatsConnection;
}

export interface ConnectionsOptions {
  readonly servers: readonly string[];
  readonly keys: ControlPlaneKeys;
  readonly ca: string | undefined;
  /** The name of this replica, shown in the servers' monitoring. */
  readonly origin: string;
  readonly log: Log;
}

/** A start that takes longer than this should say what it waits for. */
const TELL_AFTER_MS = 3_000;

/** Connects to all accounts; waits for NATS as long as it takes, and comes back whenever it went away. */
export async function connectAccounts(options: ConnectionsOptions): Promise<NatsConnections & AsyncDisposable> {
  const tellOfWaiting = setTimeout(
    () =>
      options.log.warn("waiting for NATS: it does not answer, or does not accept our keys", {
        servers: options.servers,
      }),
    TELL_AFTER_MS,
  );
  const [sys, auth, trellis, data] = await Promise.all([
    connectAccount(options, "SYS"),
    connectAccount(options, "AUTH"),
    connectAccount(options, "TRELLIS"),
    connectAccount(options, "DATA"),
  ]).finally(() => clearTimeout(tellOfWaiting));
  return {
    sys,
    auth,
    trellis,
    data,
    async [Symbol.asyncDispose]() {
      await Promise.all([sys, auth, trellis, data].map((connection) => connection.close()));
    },
  };
}

/** How the control plane proves itself in an account, for connections made elsewhere. */
export function accountAuthenticator(keys: ControlPlaneKeys, account: AccountName, origin: string) {
  return directAuthenticator(createDirectUser(keys, account, { name: `trellis ${origin}` }));
}

async function connectAccount(options: ConnectionsOptions, account: AccountName): Promise<NatsConnection> {
  const { servers, keys, ca, origin, log } = options;
  const connection = await nodeConnect({
    servers: [...servers],
    name: `trellis ${origin} ${account}`,
    authenticator: accountAuthenticator(keys, account, origin),
    noAsyncTraces: true,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    // A server that just restarted may not have its accounts yet; two refusals in a row must not end us.
    ignoreAuthErrorAbort: true,
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  void watchStatus(connection, account, log);
  return connection;
}

async function watchStatus(connection: NatsConnection, account: AccountName, log: Log): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect")
      log.warn("the connection to NATS is gone; it is tried again until it is back", { account });
    if (status.type === "reconnect") log.info("the connection to NATS is back", { account });
    if (status.type === "error") log.warn("NATS refused something", { account, error: status.error.message });
  }
}
