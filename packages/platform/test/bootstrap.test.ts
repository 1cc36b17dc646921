import { contractDigest, type Manifest } from "@trellis/contracts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acceptPlan } from "../src/authority/decisions.ts";
import { createReconciler } from "../src/authority/reconciler.ts";
import { type Bootstrap, createBootstrap } from "../src/bootstrap/bootstrap.ts";
import { createDeployment, updateDeployment } from "../src/deployments/deployment-commands.ts";
import { provisionInstance } from "../src/deployments/instance-commands.ts";
import type { AgentSession } from "../src/identity/agent-sessions.ts";
import { ensureDeveloper } from "../src/identity/user-commands.ts";
import { revokeSession } from "../src/sessions/revoke.ts";
import { createResourceStore } from "../src/resources/jetstream.ts";
import { SHARED_STREAM_DEFAULTS } from "../src/resources/shared-streams.ts";
import { createVerifier } from "../src/sessions/signatures.ts";
import type { DeploymentMode } from "../src/tables.ts";
import {
  ANN,
  bootstrapRequest,
  manifestOf,
  newKey,
  NO_DIGEST,
  startControl,
  type TestControl,
  type TestKey,
} from "./control-kit.ts";
import { startPlainNatsServer } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let control: TestControl;
let bootstrap: Bootstrap;
let sessions: Map<string, AgentSession>;
let key: TestKey;

beforeEach(async () => {
  server = await startPlainNatsServer();
  control = await startControl(server);
  sessions = new Map();
  key = newKey();
  bootstrap = createBootstrap({
    context: control.context,
    sessions: {
      get: async (one) => sessions.get(one),
      put: async (session) => void sessions.set(session.sessionKey, session),
    },
    verify: createVerifier(),
    nats: { servers: ["nats://127.0.0.1:4222"], websocket: [] },
    permissionsTtlMs: 60_000,
    platform: { version: "0.1.0", local: true },
  });
});
afterEach(async () => {
  await control.close();
  await server.remove();
});

const reconcile = async (): Promise<void> => {
  const reconciler = createReconciler({
    context: control.context,
    store: createResourceStore(control.nc, SHARED_STREAM_DEFAULTS),
  });
  while ((await reconciler.round()) > 0);
};

async function deploy(name: string, mode: DeploymentMode, instance = key): Promise<void> {
  await createDeployment(control.context, { name, mode, by: ANN });
  await provisionInstance(control.context, { deployment: name, sessionKey: instance.text, by: ANN });
}

const orders = manifestOf("orders@v1", {
  rpc: { "Orders.Get": ["orders::read"] },
  more: { resources: { kv: { orders: { purpose: "p", schema: { schema: "Any" } } } } },
});
const ordersOther = manifestOf("orders@v1", { rpc: { "Orders.Cancel": [] } });
const caller: Manifest = manifestOf("call@v1", {
  kind: "agent",
  uses: { required: { orders: { contract: "orders@v1", rpc: { call: ["Orders.Get"] } } } },
});

describe("requests that are refused before anybody's records are looked at", () => {
  test.each([
    ["not an object", "x"],
    ["no version", {}],
    ["a key that is none", { ...bootstrapRequest(newKey(), orders), sessionKey: "short" }],
    ["a signature that is none", { ...bootstrapRequest(newKey(), orders), sig: 3 }],
  ])("%s", async (_, request) => {
    expect(await bootstrap.service(request)).toMatchObject({
      status: "refused",
      reason: "invalid_request",
      message: expect.stringMatching(/cannot be read/),
    });
  });

  test("made at another time: the answer carries the time to correct the clock by", async () => {
    const answer = await bootstrap.service(bootstrapRequest(key, orders, { iat: Math.floor(Date.now() / 1000) - 600 }));
    expect(answer).toMatchObject({ status: "refused", reason: "iat_out_of_range" });
    expect(Math.abs(answer.serverNow - Date.now())).toBeLessThan(5_000);
  });

  test("signed by another key", async () => {
    const request = { ...bootstrapRequest(newKey(), orders), sessionKey: key.text };
    expect(await bootstrap.service(request)).toMatchObject({ reason: "invalid_signature" });
  });
});

describe("a service", () => {
  test("nobody knows is told how to become known, and its contract is not kept", async () => {
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({
      reason: "unknown_service",
      message: expect.stringContaining(key.text),
    });
    expect(control.context.tables.contracts.size).toBe(0);
  });

  test("in strict mode waits for its plan, then for its resources, and then has everything it needs", async () => {
    await deploy("orders", "strict");
    expect(await bootstrap.service(bootstrapRequest(key, orders, { send: false }))).toMatchObject({
      status: "waiting",
      reason: "manifest_required",
    });
    const waiting = await bootstrap.service(bootstrapRequest(key, orders));
    expect(waiting).toMatchObject({
      status: "waiting",
      reason: "authority_update_required",
      message: expect.stringMatching(/trellis svc accept/),
    });
    const again = await bootstrap.service(bootstrapRequest(key, orders, { send: false }));
    const plan = waiting.status === "waiting" ? waiting.planId : undefined;
    expect(waiting).toMatchObject({ retryAfterMs: 1_000 });
    expect(again).toMatchObject({ planId: plan });
    await acceptPlan(control.context, { plan: plan ?? "", by: ANN });
    expect(await bootstrap.service(bootstrapRequest(key, orders, { send: false }))).toMatchObject({
      reason: "reconciliation_pending",
    });
    await reconcile();
    expect(await bootstrap.service(bootstrapRequest(key, orders, { send: false }))).toMatchObject({
      status: "ready",
      contractDigest: contractDigest(orders),
      inboxPrefix: `_INBOX.${key.text.slice(0, 16)}`,
      principal: { type: "service", id: "orders", name: "orders" },
      capabilities: ["service"],
      bindings: { service: "orders", kv: { orders: { bucket: "orders_orders", history: 1, ttlMs: 0 } } },
      permissionsTtlMs: 60_000,
    });
  });

  test("in mutable-dev mode is accepted at once", async () => {
    await deploy("orders", "mutable-dev");
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({ reason: "reconciliation_pending" });
    await reconcile();
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({ status: "ready" });
  });

  test("with a breaking change waits for a migration", async () => {
    await deploy("orders", "mutable-dev");
    await bootstrap.service(bootstrapRequest(key, orders));
    await reconcile();
    await updateDeployment(control.context, { name: "orders", mode: "strict", by: ANN });
    expect(await bootstrap.service(bootstrapRequest(key, ordersOther))).toMatchObject({
      reason: "authority_migration_required",
      message: expect.stringMatching(/--acknowledge/),
    });
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({ status: "ready" });
  });

  test("is told which contract it waits for", async () => {
    await deploy("shop", "mutable-dev");
    const shop = manifestOf("shop@v1", {
      uses: { required: { orders: { contract: "orders@v1", rpc: { call: ["Orders.Get"] } } } },
    });
    expect(await bootstrap.service(bootstrapRequest(key, shop))).toMatchObject({
      reason: "dependency_unknown",
      blockedBy: ["orders@v1"],
    });
    const other = newKey();
    await deploy("orders", "strict", other);
    await bootstrap.service(bootstrapRequest(other, ordersOther));
    expect(await bootstrap.service(bootstrapRequest(key, shop))).toMatchObject({
      reason: "dependency_incompatible",
      blockedBy: ["orders@v1"],
    });
    await bootstrap.service(bootstrapRequest(other, orders));
    await bootstrap.service(bootstrapRequest(key, shop));
    await reconcile();
    expect(await bootstrap.service(bootstrapRequest(key, shop))).toMatchObject({
      reason: "dependency_not_active",
      blockedBy: ["orders@v1"],
    });
  });

  test("is refused with a reason when disabled, revoked, or with the wrong contract", async () => {
    await deploy("orders", "mutable-dev");
    expect(await bootstrap.service(bootstrapRequest(key, orders, { digest: NO_DIGEST }))).toMatchObject({
      reason: "digest_mismatch",
    });
    expect(await bootstrap.service(bootstrapRequest(key, caller))).toMatchObject({ reason: "wrong_kind" });
    const broken = {
      ...bootstrapRequest(key, orders, { digest: NO_DIGEST }),
      manifest: { format: "trellis.contract.v1" },
    };
    expect(await bootstrap.service(broken)).toMatchObject({
      reason: "invalid_manifest",
      problems: expect.arrayContaining([expect.objectContaining({ path: expect.any(String) })]),
    });
    await updateDeployment(control.context, { name: "orders", enabled: false, by: ANN });
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({ reason: "service_disabled" });
    await updateDeployment(control.context, { name: "orders", enabled: true, by: ANN });
    await revokeSession(revoking(), { sessionKey: key.text, by: ANN, reason: "lost" });
    expect(await bootstrap.service(bootstrapRequest(key, orders))).toMatchObject({ reason: "session_revoked" });
  });

  test("proposing from many replicas at once leaves one plan", async () => {
    await deploy("orders", "strict");
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => bootstrap.service(bootstrapRequest(key, orders))),
    );
    expect(new Set(answers.map((answer) => (answer.status === "waiting" ? answer.planId : answer.status))).size).toBe(
      1,
    );
    expect(control.context.tables.plans.size).toBe(1);
  });
});

describe("an agent", () => {
  const developer = newKey();

  beforeEach(async () => {
    await ensureDeveloper(control.context, { name: "dev", key: developer.text, by: ANN });
    const instance = newKey();
    await deploy("orders", "mutable-dev", instance);
    await bootstrap.service(bootstrapRequest(instance, orders));
    await reconcile();
  });

  test("is vouched for by a registered key, and known by its session afterwards", async () => {
    expect(await bootstrap.agent(bootstrapRequest(key, caller))).toMatchObject({ reason: "unknown_agent" });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: newKey() }))).toMatchObject({
      reason: "unknown_agent",
    });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: developer, send: false }))).toMatchObject({
      reason: "manifest_required",
    });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: developer }))).toMatchObject({
      status: "ready",
      principal: { type: "user", name: "dev" },
      capabilities: ["orders::read"],
      grantedUses: [],
      bindings: { kv: {} },
    });
    expect(sessions.get(key.text)).toMatchObject({ userKey: developer.text, contractDigest: contractDigest(caller) });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { send: false }))).toMatchObject({ status: "ready" });
  });

  test("who may not is told what is missing, and one who was switched off that they are", async () => {
    const ada = newKey();
    const { tables, registry } = control.context;
    const facts = { active: true, createdAt: Date.now(), createdBy: ANN };
    await registry.transact((tx) => {
      tx.put(tables.users, "01ADA", { id: "01ADA", name: "ada", groups: [], ...facts });
      tx.put(tables.userKeys, ada.text, {
        key: ada.text,
        userId: "01ADA",
        enabled: true,
        createdAt: 1,
        createdBy: ANN,
      });
    });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: ada }))).toMatchObject({
      status: "refused",
      reason: "insufficient_permissions",
      message: expect.stringContaining("orders::read"),
    });
    await registry.transact((tx) => {
      tx.put(tables.users, "01ADA", { id: "01ADA", name: "ada", groups: ["admin"], ...facts, active: false });
    });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: ada }))).toMatchObject({
      status: "refused",
      reason: "user_inactive",
    });
  });

  test("with a forged vouching, a service's contract or a revoked key is refused", async () => {
    const forged = bootstrapRequest(key, caller, { enrol: { text: developer.text, sign: newKey().sign } });
    expect(await bootstrap.agent(forged)).toMatchObject({ reason: "invalid_signature" });
    expect(await bootstrap.agent(bootstrapRequest(key, orders, { enrol: developer }))).toMatchObject({
      reason: "wrong_kind",
    });
    expect(await bootstrap.agent(bootstrapRequest(key, ordersOther, { enrol: developer }))).toMatchObject({
      reason: "wrong_kind",
    });
    await revokeSession(revoking(), { sessionKey: developer.text, by: ANN, reason: "lost" });
    expect(await bootstrap.agent(bootstrapRequest(key, caller, { enrol: developer }))).toMatchObject({
      reason: "session_revoked",
    });
  });
});

function revoking() {
  const stored = sessions;
  return {
    context: control.context,
    sessions: { remove: async (key: string) => void stored.delete(key) },
    longestLifeMs: 60_000,
  };
}
