import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { Manifest } from "@trellis/contracts";
import {
  type AccountName,
  createDirectUser,
  directAuthenticator,
  loadControlPlaneKeys,
  type UserPermissions,
} from "@trellis/nats";
import { type Config, localFiles } from "@trellis/platform";
import { Refused } from "@trellis/sdk";
import { startPlatform, type TestPlatform } from "../../../src/index.ts";
import { eventually } from "./eventually.ts";
import { bootstrapReady, connectRaw, newKey, type RawIdentity, type RawKey, Violations } from "./participant.ts";

/** A real platform, the control plane's own view of it, and participants that bring nothing but a key. */
export interface Laboratory extends AsyncDisposable {
  readonly platform: TestPlatform;
  readonly servers: readonly string[];
  /** JetStream as the control plane sees it. */
  readonly manager: JetStreamManager;
  readonly data: NatsConnection;
  /** A connection past the callout, as the control plane could make it. */
  direct(account: AccountName, permissions?: UserPermissions): Promise<NatsConnection>;
  /** Deployment, instance, plan, acceptance: every step as an administrator takes it. Ready is another matter. */
  deploy(name: string, manifest: Manifest): Promise<RawKey>;
  propose(name: string, manifest: Manifest): Promise<{ readonly key: RawKey; readonly plan: string }>;
  accept(plan: string): Promise<void>;
  /** A user with exactly these capabilities, through a group of its own. */
  user(name: string, capabilities: readonly string[]): Promise<RawKey>;
  /** Waits until the platform is ready for it, then connects. */
  join(identity: RawIdentity, server?: string): Promise<Joined>;
}

/** A participant at work. */
export interface Joined {
  readonly nc: NatsConnection;
  readonly key: RawKey;
  readonly manifest: Manifest;
  readonly violations: Violations;
}

export async function openLaboratory(
  options: { readonly nodes?: 1 | 3; readonly config?: Partial<Config> } = {},
): Promise<Laboratory> {
  await using started = new AsyncDisposableStack();
  const platform = started.use(await startPlatform(options));
  const keys = await loadControlPlaneKeys(localFiles(platform.local.directory).operator);
  const servers = platform.local.nats.servers;
  const opened: NatsConnection[] = [];
  started.defer(async () => void (await Promise.allSettled(opened.map((nc) => nc.close()))));
  const direct: Laboratory["direct"] = async (account, permissions) => {
    const user = createDirectUser(keys, account, { name: "security-test", ...(permissions ? { permissions } : {}) });
    const nc = await connect({ servers: [...servers], authenticator: directAuthenticator(user), noAsyncTraces: true });
    opened.push(nc);
    return nc;
  };
  const data = await direct("DATA");
  const manager = await jetstreamManager(data);
  const { admin } = platform;

  const propose: Laboratory["propose"] = async (name, manifest) => {
    const created = await admin.rpc.auth.deploymentsCreate({ name, mode: "strict" });
    if (!created.ok && !(created.error instanceof Refused)) throw created.error;
    const key = newKey();
    await admin.rpc.auth.instancesProvision({ deployment: name, sessionKey: key.text }).orThrow();
    const { plan } = await admin.rpc.auth.authorityPlan({ deployment: name, manifest }).orThrow();
    if (!plan) throw new Error(`no plan for ${name}`);
    return { key, plan: plan.id };
  };
  const accept: Laboratory["accept"] = async (plan) =>
    void (await admin.rpc.auth.authorityAccept({ plan, acknowledge: true }).orThrow());

  const resources = started.move();
  return {
    platform,
    servers,
    manager,
    data,
    direct,
    propose,
    accept,
    async deploy(name, manifest) {
      const { key, plan } = await propose(name, manifest);
      await accept(plan);
      return key;
    },
    async user(name, capabilities) {
      const [controlPlane] = platform.local.controlPlanes;
      if (!controlPlane) throw new Error("no control plane");
      const { registry, tables } = controlPlane.context;
      await registry.transact((tx) =>
        tx.put(tables.groups, name, {
          name,
          capabilities: [...capabilities],
          everyCapability: false,
          createdAt: Date.now(),
        }),
      );
      const key = newKey();
      await admin.rpc.auth.usersCreate({ name, groups: [name] }).orThrow();
      await admin.rpc.auth.usersAddKey({ user: name, key: key.text }).orThrow();
      return key;
    },
    async join(identity, server) {
      await bootstrapReady(platform.url, identity);
      // The registry view of the replica that answers the callout may be a moment behind the one that answered HTTP.
      const nc = await eventually(
        () => connectRaw(identity, servers, server === undefined ? {} : { server }).catch(() => undefined),
        {
          what: () => `${identity.manifest.id} cannot connect`,
        },
      );
      opened.push(nc);
      return { nc, key: identity.key, manifest: identity.manifest, violations: new Violations(nc) };
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
