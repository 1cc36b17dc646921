import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authenticator } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { contractDigest, NO_BINDINGS } from "@trellis/contracts";
import type { Manifest } from "@trellis/contracts";
import {
  createDirectUser,
  createOperatorBundle,
  DEFAULT_AUTH_TIMEOUT_MS,
  directAuthenticator,
  findNatsServer,
  startNats,
} from "@trellis/nats";
import type { AccountName, ManagedNats, OperatorBundle } from "@trellis/nats";
import { connectTokenDigests, encodeConnectToken, inboxPrefix } from "@trellis/protocol";
import { createContext } from "../src/authority/context.ts";
import type { ControlContext } from "../src/authority/context.ts";
import { startAccess } from "../src/callout/access.ts";
import type { Access, AccessOptions } from "../src/callout/access.ts";
import { Connections } from "../src/callout/connections.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import { Catalog } from "../src/catalog/catalog.ts";
import type { Log, LogFields } from "../src/log.ts";
import { isNatsAway } from "../src/nats-away.ts";
import { openRegistry } from "../src/registry/open.ts";
import type { OpenRegistry } from "../src/registry/open.ts";
import { openRequestClaims } from "../src/sessions/claims.ts";
import { openSessionStore } from "../src/sessions/session-store.ts";
import type { SessionStore } from "../src/sessions/session-store.ts";
import type { Authority } from "../src/tables.ts";
import { ANN } from "./control-kit.ts";
import type { TestKey } from "./control-kit.ts";

/** Real accounts, and control-plane replicas that are everything but HTTP and RPC. */
export interface LivePlatform {
  readonly nats: ManagedNats;
  readonly bundle: OperatorBundle;
  /** A connection of the control plane's own. */
  connect(account: AccountName): Promise<NatsConnection>;
  /** A participant: may fail, as the server says. */
  participant(key: TestKey, manifest: Manifest | string, options?: ParticipantOptions): Promise<NatsConnection>;
  replica(options?: Partial<AccessOptions>): Promise<LiveReplica>;
  close(): Promise<void>;
}

export interface ParticipantOptions {
  readonly iat?: number;
  readonly server?: number;
  /** Changes the token before it is sent. */
  readonly tamper?: (token: string, nonce: string) => string;
  readonly reconnect?: boolean;
}

export interface LiveReplica {
  readonly registry: OpenRegistry;
  readonly context: ControlContext;
  readonly sessions: SessionStore;
  readonly connections: Connections;
  readonly access: Access;
  readonly lines: readonly { readonly message: string; readonly fields: LogFields }[];
  readonly published: readonly {
    readonly name: string;
    readonly payload: { readonly [member: string]: unknown };
    readonly id: string;
  }[];
  close(): Promise<void>;
}

export async function startLivePlatform(nodes: 1 | 3 = 1): Promise<LivePlatform> {
  const bundle = createOperatorBundle();
  const directory = mkdtempSync(join(tmpdir(), "trellis-live-"));
  const nats = await startNats({ binary: await findNatsServer(), directory, operator: bundle.server, nodes });
  const open: (() => Promise<unknown>)[] = [];

  const connectAs = async (account: AccountName): Promise<NatsConnection> => {
    const nc = await connect({
      servers: [...nats.servers],
      authenticator: directAuthenticator(
        createDirectUser(bundle.controlPlane, account, { name: `control-plane-${account}` }),
      ),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
    open.push(() => nc.close());
    return nc;
  };

  return {
    nats,
    bundle,
    connect: connectAs,
    async participant(key, contract, options = {}) {
      const digest = typeof contract === "string" ? contract : contractDigest(contract);
      const authenticator: Authenticator = (nonce = "") => {
        const iat = options.iat ?? Math.floor(Date.now() / 1000);
        const digests = connectTokenDigests({ iat, contractDigest: digest, nonce });
        const token = encodeConnectToken({
          v: 1,
          sessionKey: key.text,
          contractDigest: digest,
          iat,
          sig: key.sign(digests.sig),
          nonceSig: key.sign(digests.nonceSig),
        });
        // The server tells the callout its nonce only when the client sends some signature of it.
        return { auth_token: options.tamper ? options.tamper(token, nonce) : token, sig: key.sign(digests.nonceSig) };
      };
      const nc = await connect({
        // Only with `reconnect` may it end up on another server.
        servers: options.reconnect ? [...nats.servers] : (nats.servers[options.server ?? 0] ?? ""),
        noRandomize: false,
        authenticator,
        inboxPrefix: inboxPrefix(key.text),
        reconnect: options.reconnect ?? false,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 20,
        ignoreAuthErrorAbort: true,
        timeout: 15_000,
        noAsyncTraces: true,
      });
      open.push(() => nc.close());
      return nc;
    },
    async replica(overrides = {}) {
      const data = await connectAs("DATA");
      const lines: { message: string; fields: LogFields }[] = [];
      const write = (message: string, fields: LogFields = {}): void =>
        void lines.push({ message, fields: { t: Math.round(performance.now()), ...fields } });
      const log: Log = { debug() {}, info: write, warn: write, error: write, child: () => log };
      const registry = await oncePresent(() => openRegistry({ nc: data, replicas: nodes, log }));
      const sessions = await oncePresent(() => openSessionStore({ nc: data, replicas: nodes, idleMs: 3_600_000, log }));
      const connections = new Connections();
      const context = createContext({
        registry,
        catalog: new Catalog(registry, builtinContracts()),
        liveness: connections,
      });
      const published: { name: string; payload: { readonly [member: string]: unknown }; id: string }[] = [];
      const access = startAccess({
        nats: { auth: await connectAs("AUTH"), sys: await connectAs("SYS"), trellis: await connectAs("TRELLIS") },
        keys: bundle.controlPlane,
        registry,
        context,
        connections,
        sessions,
        claims: await oncePresent(() => openRequestClaims(data, nodes)),
        origin: `replica-${open.length}`,
        permissionsTtlMs: 3_600_000,
        authTimeoutMs: DEFAULT_AUTH_TIMEOUT_MS,
        sessionIdleMs: 3_600_000,
        callerLeaseMs: 30_000,
        publishEvent: (name, payload, { id }) => void published.push({ name, payload, id }),
        log,
        ...overrides,
      });
      let closed = false;
      const close = async (): Promise<void> => {
        if (closed) return;
        closed = true;
        await access.close();
        await registry.close();
      };
      open.unshift(close);
      return { registry, context, sessions, connections, access, lines, published, close };
    },
    async close() {
      for (const end of open) await end();
      await nats.stop({ signal: "SIGKILL" });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Opens it, again while JetStream has no majority: a process of the control plane starts the same way. */
async function oncePresent<T>(open: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!isNatsAway(error)) throw error;
    }
  }
}

/** A deployment with an accepted and materialized contract, and an instance for each key, as commands would leave them. */
export async function deploy(
  { registry, context }: Pick<LiveReplica, "registry" | "context">,
  name: string,
  manifest: Manifest,
  keys: readonly TestKey[],
  options: { readonly alsoAccepted?: readonly string[] } = {},
): Promise<string> {
  const digest = contractDigest(manifest);
  const { tables } = context;
  const now = Date.now();
  await registry.transact((tx) => {
    const before = tx.get(tables.authorities, name);
    const accepted = {
      version: (before?.version ?? 0) + 1,
      contractId: manifest.id,
      digest,
      kind: "update",
      planId: "p",
      at: now,
      by: ANN,
      automatic: true,
    } as const;
    const authority: Authority = {
      deployment: name,
      version: accepted.version,
      desired: accepted,
      accepted: [digest, ...(options.alsoAccepted ?? [])],
      materialized: {
        version: accepted.version,
        contractId: manifest.id,
        digest,
        bindings: { ...NO_BINDINGS, service: name },
        at: now,
        fingerprint: "test",
        follows: true,
      },
      reconcile: { state: "done", attempts: 1, updatedAt: now, problems: [] },
      history: [accepted],
    };
    if (!tx.get(tables.deployments, name))
      tx.put(tables.deployments, name, { name, mode: "strict", enabled: true, createdAt: now, createdBy: ANN });
    tx.put(tables.contracts, digest, {
      digest,
      contractId: manifest.id,
      manifest,
      firstSeenAt: now,
      presentedAt: now,
      kept: true,
      presentedBy: ANN,
    });
    tx.put(tables.authorities, name, authority);
    for (const key of keys)
      tx.put(tables.instances, key.text, {
        sessionKey: key.text,
        deployment: name,
        enabled: true,
        createdAt: now,
        createdBy: ANN,
      });
  });
  return digest;
}
