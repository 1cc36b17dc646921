import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { contractDigest, type Json, type Manifest, MANIFEST_FORMAT, type Uses } from "@trellis/contracts";
import { bootstrapDigest, enrolDigest } from "@trellis/protocol";
import { type ControlContext, createContext } from "../src/authority/context.ts";
import type { Actor } from "../src/tables.ts";
import { Catalog } from "../src/catalog/catalog.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import type { Liveness, LiveParticipant } from "../src/catalog/liveness.ts";
import { openRegistry } from "../src/registry/open.ts";
import type { OpenRegistry } from "../src/registry/open.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

export const ANN: Actor = { type: "user", id: "01ANN", name: "ann" };

/** A replica of the control plane, as far as authority goes. */
export interface TestControl {
  readonly nc: NatsConnection;
  readonly registry: OpenRegistry;
  readonly context: ControlContext;
  /** Who is connected; change it freely. */
  readonly live: LiveParticipant[];
  /** Moves the clock. */
  advance(ms: number): void;
  close(): Promise<void>;
}

export async function startControl(
  server: PlainNatsServer,
  limits: Parameters<typeof createContext>[0]["limits"] = {},
): Promise<TestControl> {
  const nc = await connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    noAsyncTraces: true,
  });
  const registry = await openRegistry({ nc, replicas: 1 });
  const live: LiveParticipant[] = [];
  const liveness: Liveness = {
    replicas: (deployment, digest) =>
      live.filter((one) => one.deployment === deployment && (digest === undefined || one.contractDigest === digest))
        .length,
    connected: (key) => live.some((one) => one.sessionKey === key),
    works: (key, digest) => live.some((one) => one.sessionKey === key && one.contractDigest === digest),
    hasBegun: (key, digest) => live.some((one) => one.sessionKey === key && one.contractDigest === digest),
    participants: () => live,
  };
  let offset = 0;
  const catalog = new Catalog(registry, builtinContracts());
  const context = createContext({
    registry,
    catalog,
    liveness,
    now: () => Date.now() + offset,
    ...(limits ? { limits } : {}),
  });
  return {
    nc,
    registry,
    context,
    live,
    advance: (ms) => void (offset += ms),
    close: async () => {
      catalog.close();
      await registry.close();
      await nc.close();
    },
  };
}

export interface ManifestOptions {
  readonly kind?: Manifest["kind"];
  readonly rpc?: { readonly [name: string]: readonly string[] };
  readonly events?: readonly string[];
  readonly uses?: Uses;
  readonly more?: Partial<Manifest>;
}

/** A small valid manifest: RPCs by name with the capabilities to call them, events without parameters. */
export function manifestOf(id: string, options: ManifestOptions = {}): Manifest {
  const { kind = "service", rpc = {}, events = [], uses, more } = options;
  const keys = [...new Set(Object.values(rpc).flat())].filter((key) => key.includes("::"));
  const own = keys.filter((key) => key.startsWith(`${id.split("@")[0]}::`));
  const entries = Object.entries(rpc).map(
    ([name, call]) =>
      [
        name,
        {
          version: "v1",
          subject: `rpc.v1.${name}`,
          input: { schema: "Any" },
          output: { schema: "Any" },
          ...(call.length > 0 ? { capabilities: { call } } : {}),
        },
      ] as const,
  );
  return {
    format: MANIFEST_FORMAT,
    id,
    displayName: id,
    description: `Contract ${id} of a test.`,
    kind,
    ...(own.length > 0
      ? { capabilities: Object.fromEntries(own.map((key) => [key, { displayName: key, description: key }])) }
      : {}),
    schemas: { Any: { type: "object" } },
    ...(entries.length > 0 ? { rpc: Object.fromEntries(entries) } : {}),
    ...(events.length > 0
      ? {
          events: Object.fromEntries(
            events.map((name) => [name, { version: "v1", subject: `events.v1.${name}`, event: { schema: "Any" } }]),
          ),
        }
      : {}),
    ...(uses ? { uses } : {}),
    ...more,
  };
}

export interface TestKey {
  readonly text: string;
  sign(digest: Uint8Array): string;
}

/** An Ed25519 key as participants have one. */
export function newKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const text = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
  return { text, sign: (digest) => sign(null, digest, privateKey).toString("base64url") };
}

/** A signed bootstrap request. */
export function bootstrapRequest(
  key: TestKey,
  manifest: Manifest,
  options: { readonly send?: boolean; readonly iat?: number; readonly enrol?: TestKey; readonly digest?: string } = {},
): { readonly [member: string]: Json | Manifest } {
  const { send = true, iat = Math.floor(Date.now() / 1000), enrol } = options;
  const digest = options.digest ?? contractDigest(manifest);
  return {
    v: 1,
    sessionKey: key.text,
    contractDigest: digest,
    iat,
    sig: key.sign(bootstrapDigest(iat, digest)),
    ...(send ? { manifest } : {}),
    ...(enrol ? { enrol: { key: enrol.text, sig: enrol.sign(enrolDigest(key.text, digest, iat)) } } : {}),
  };
}

/** A digest of nothing that exists. */
export const NO_DIGEST = createHash("sha256").update("nothing").digest("base64url");
