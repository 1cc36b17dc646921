import { contractDigest, type Manifest } from "@trellis/contracts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControlContext } from "../src/authority/context.ts";
import { agentGrants, permissionsOf, serviceGrants } from "../src/authority/grants.ts";
import { acceptPlan, rejectPlan } from "../src/authority/decisions.ts";
import { describePlan } from "../src/authority/plan-records.ts";
import { propose, sweepPlans } from "../src/authority/proposals.ts";
import { createReconciler, requestReconcile } from "../src/authority/reconciler.ts";
import { createDeployment, removeDeployment, updateDeployment } from "../src/deployments/deployment-commands.ts";
import { provisionInstance, updateInstance } from "../src/deployments/instance-commands.ts";
import { revokeSession } from "../src/sessions/revoke.ts";
import { ensureDeveloper, ensureGroups, updateUser } from "../src/identity/user-commands.ts";
import { createResourceStore, type ResourceStore } from "../src/resources/jetstream.ts";
import { SHARED_STREAM_DEFAULTS } from "../src/resources/shared-streams.ts";
import { jsApi, publishStored } from "../src/registry/jetstream-api.ts";
import type { DeploymentMode } from "../src/tables.ts";
import { ANN, manifestOf, newKey, startControl, type TestControl } from "./control-kit.ts";
import { startPlainNatsServer, until } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let control: TestControl;
let context: ControlContext;
let store: ResourceStore;

// A server of its own for each test: the registry is one stream, and every test wants an empty one.
beforeEach(async () => {
  server = await startPlainNatsServer();
  control = await startControl(server);
  context = control.context;
  store = createResourceStore(control.nc, SHARED_STREAM_DEFAULTS);
});
afterEach(async () => {
  await control.close();
  await server.remove();
});

const orders = manifestOf("orders@v1", { rpc: { "Orders.Get": ["orders::read"] } });
const ordersMore = manifestOf("orders@v1", {
  rpc: { "Orders.Get": ["orders::read"], "Orders.Cancel": ["orders::write"] },
});
const ordersOther = manifestOf("orders@v1", { rpc: { "Orders.Cancel": ["orders::write"] } });
const shop = (required = true): Manifest =>
  manifestOf("shop@v1", {
    rpc: { "Shop.Buy": [] },
    uses: {
      [required ? "required" : "optional"]: { orders: { contract: "orders@v1", rpc: { call: ["Orders.Get"] } } },
    },
  });

async function deploy(name: string, mode: DeploymentMode = "strict"): Promise<string> {
  const made = await createDeployment(context, { name, mode, by: ANN });
  expect(made.ok).toBe(true);
  const key = newKey().text;
  expect((await provisionInstance(context, { deployment: name, sessionKey: key, by: ANN })).ok).toBe(true);
  return key;
}

async function proposed(deployment: string, manifest: Manifest) {
  const result = await propose(context, { deployment, manifest, by: ANN });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

async function planFor(deployment: string, manifest: Manifest) {
  const result = await proposed(deployment, manifest);
  if (result.outcome !== "pending") throw new Error(`expected a pending plan, got ${result.outcome}`);
  return result;
}

async function accepted(deployment: string, manifest: Manifest, acknowledge = true): Promise<void> {
  const { plan } = await planFor(deployment, manifest);
  const result = await acceptPlan(context, { plan: plan.id, by: ANN, acknowledge });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
}

const reconcile = async (): Promise<void> => {
  const reconciler = createReconciler({ context, store, times: { retryMinMs: 1, retryMaxMs: 5 } });
  while ((await reconciler.round()) > 0);
};

const refusal = (result: { readonly ok: boolean; readonly error?: unknown }) => (result.ok ? undefined : result.error);

describe("strict deployments", () => {
  test("wait for a person, then an identical contract proceeds", async () => {
    const key = await deploy("orders");
    const { plan, view } = await planFor("orders", orders);
    expect(view.kind).toBe("update");
    expect(view.surfaces).toMatchObject([
      { action: "add", kind: "rpc", name: "Orders.Get", detail: "to call needs orders::read" },
    ]);
    expect(view.permissions).toContainEqual(
      expect.objectContaining({
        action: "add",
        direction: "subscribe",
        subject: "rpc.v1.Orders.Get",
        queue: "orders@v1",
      }),
    );
    expect(serviceGrants(context, key, contractDigest(orders))).toMatchObject({
      ok: false,
      error: { reason: "authority_update_required" },
    });
    expect((await planFor("orders", orders)).plan.id).toBe(plan.id);
    expect(await acceptPlan(context, { plan: plan.id, by: ANN })).toMatchObject({ ok: true });
    expect(serviceGrants(context, key, contractDigest(orders))).toMatchObject({
      ok: false,
      error: { reason: "reconciliation_pending" },
    });
    await reconcile();
    const grants = serviceGrants(context, key, contractDigest(orders));
    expect(grants).toMatchObject({
      ok: true,
      value: { principal: { type: "service", id: "orders" }, bindings: { service: "orders" } },
    });
    expect(await proposed("orders", orders)).toEqual({ outcome: "identical" });
  });

  test("wait for a compatible change too, and let both digests live afterwards", async () => {
    const key = await deploy("orders");
    await accepted("orders", orders);
    await reconcile();
    const { plan, view } = await planFor("orders", ordersMore);
    expect(view.kind).toBe("update");
    expect(await acceptPlan(context, { plan: plan.id, by: ANN })).toMatchObject({ ok: true });
    // While the new one is being made, the old one goes on.
    expect(serviceGrants(context, key, contractDigest(orders)).ok).toBe(true);
    expect(serviceGrants(context, key, contractDigest(ordersMore))).toMatchObject({
      error: { reason: "reconciliation_pending" },
    });
    await reconcile();
    expect(serviceGrants(context, key, contractDigest(orders)).ok).toBe(true);
    expect(serviceGrants(context, key, contractDigest(ordersMore)).ok).toBe(true);
    expect(await proposed("orders", orders)).toEqual({ outcome: "identical" });
  });

  test("leave a breaking change pending until somebody acknowledges who breaks", async () => {
    const key = await deploy("orders");
    await accepted("orders", orders);
    await deploy("shop");
    await accepted("shop", shop());
    await reconcile();
    control.live.push({ sessionKey: "s", name: "shop", deployment: "shop", contractDigest: contractDigest(shop()) });
    const { plan, view } = await planFor("orders", ordersOther);
    expect(view.kind).toBe("migration");
    expect(view.breaks).toMatchObject([{ surface: "rpc Orders.Get", who: ["shop"] }]);
    expect(refusal(await acceptPlan(context, { plan: plan.id, by: ANN }))).toMatchObject({
      reason: "acknowledge_required",
      why: expect.stringMatching(/rpc Orders.Get, used now by shop/),
    });
    expect((await acceptPlan(context, { plan: plan.id, by: ANN, acknowledge: true })).ok).toBe(true);
    await reconcile();
    expect(serviceGrants(context, key, contractDigest(orders))).toMatchObject({
      error: { reason: "authority_update_required" },
    });
    expect(serviceGrants(context, key, contractDigest(ordersOther)).ok).toBe(true);
    // The required closure of the caller is open now.
    const caller = context.tables.instances.by("deployment", "shop")[0]?.id ?? "";
    expect(serviceGrants(context, caller, contractDigest(shop()))).toMatchObject({
      error: { reason: "dependency_not_active", blockedBy: ["orders@v1"] },
    });
  });

  test("refuse expired, decided and overtaken plans with words", async () => {
    await deploy("orders");
    const first = await planFor("orders", orders);
    control.advance(8 * 86_400_000);
    expect(refusal(await acceptPlan(context, { plan: first.plan.id, by: ANN }))).toMatchObject({
      reason: "plan_expired",
    });
    expect(describePlan(context, first.plan.id)).toMatchObject({ value: { plan: { state: "expired" } } });
    const second = await planFor("orders", orders);
    const third = await planFor("orders", ordersMore);
    expect(second.plan.id).not.toBe(first.plan.id);
    expect((await acceptPlan(context, { plan: third.plan.id, by: ANN })).ok).toBe(true);
    expect(refusal(await acceptPlan(context, { plan: second.plan.id, by: ANN }))).toMatchObject({
      reason: "plan_superseded",
    });
    expect(refusal(await acceptPlan(context, { plan: third.plan.id, by: ANN }))).toMatchObject({
      reason: "plan_decided",
    });
    await sweepPlans(context);
    expect(context.tables.plans.get(first.plan.id)?.value.state).toBe("expired");
  });

  test("do not ask again for what was rejected until a person proposes it", async () => {
    await deploy("orders");
    const { plan } = await planFor("orders", orders);
    expect((await rejectPlan(context, { plan: plan.id, by: ANN })).ok).toBe(true);
    const bot = { type: "service", id: "orders", name: "orders" } as const;
    expect(await propose(context, { deployment: "orders", manifest: orders, by: bot })).toMatchObject({
      value: { outcome: "rejected" },
    });
    expect(await propose(context, { deployment: "orders", manifest: orders, by: ANN })).toMatchObject({
      value: { outcome: "pending" },
    });
  });
});

test("two replicas deciding on one plan at once: one of them does", async () => {
  await deploy("orders");
  const { plan } = await planFor("orders", orders);
  const other = await startControl(server);
  const decisions = await Promise.all([
    acceptPlan(context, { plan: plan.id, by: ANN }),
    acceptPlan(other.context, { plan: plan.id, by: ANN }),
    rejectPlan(other.context, { plan: plan.id, by: ANN }),
  ]);
  expect(decisions.filter((decision) => decision.ok)).toHaveLength(1);
  expect(
    decisions.filter(
      (decision) => !decision.ok && decision.error.code === "refused" && decision.error.reason === "plan_decided",
    ),
  ).toHaveLength(2);
  await other.close();
});

test("contracts nobody accepts are forgotten, accepted ones stay", async () => {
  await control.close();
  control = await startControl(server, { presentedContractLifeMs: 1_000 });
  context = control.context;
  await deploy("orders");
  await planFor("orders", ordersMore);
  await accepted("orders", orders);
  expect(context.tables.contracts.size).toBe(2);
  await until(() => context.tables.contracts.size === 1, "the contract nobody accepted is forgotten");
  expect(context.catalog.manifest(contractDigest(orders))).toBeDefined();
});

describe("mutable-dev deployments", () => {
  test("take updates and migrations at once and record that they did", async () => {
    await deploy("orders", "mutable-dev");
    expect((await proposed("orders", orders)).outcome).toBe("accepted");
    expect((await proposed("orders", ordersMore)).outcome).toBe("accepted");
    const migration = await proposed("orders", ordersOther);
    expect(migration).toMatchObject({
      outcome: "accepted",
      plan: { kind: "migration", decision: { automatic: true, by: { type: "system" } } },
    });
    const history = context.tables.authorities
      .get("orders")
      ?.value.history.map(({ version, kind, automatic }) => ({ version, kind, automatic }));
    expect(history).toEqual([
      { version: 3, kind: "migration", automatic: true },
      { version: 2, kind: "update", automatic: true },
      { version: 1, kind: "update", automatic: true },
    ]);
    const audit = [...context.tables.outbox.all()].map(({ value }) => value.action);
    expect(audit.filter((action) => action === "plan.accept")).toHaveLength(3);
  });

  test("do not swing between two live contracts that contradict each other", async () => {
    await deploy("orders", "mutable-dev");
    await proposed("orders", orders);
    await proposed("orders", ordersOther);
    control.live.push({
      sessionKey: "s",
      name: "orders",
      deployment: "orders",
      contractDigest: contractDigest(ordersOther),
    });
    expect(await proposed("orders", orders)).toMatchObject({
      outcome: "pending",
      heldBack: expect.stringMatching(/still connected/),
    });
    control.live.length = 0;
    expect((await proposed("orders", orders)).outcome).toBe("accepted");
  });

  test("leave it to a person to hand out admin", async () => {
    await deploy("ops", "mutable-dev");
    const ops = manifestOf("ops@v1", {
      uses: { required: { auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Deployments.List"] } } } },
    });
    expect(await proposed("ops", ops)).toMatchObject({ outcome: "pending", heldBack: expect.stringMatching(/admin/) });
  });

  test("take a blocked plan by themselves when its evidence arrives", async () => {
    const key = await deploy("shop", "mutable-dev");
    expect(await proposed("shop", shop())).toMatchObject({ outcome: "pending" });
    await deploy("orders", "mutable-dev");
    await proposed("orders", orders);
    await reconcile();
    expect(serviceGrants(context, key, contractDigest(shop())).ok).toBe(true);
  });
});

describe("requirements", () => {
  test("block by id while unknown, are shown while inactive, and gate credentials until active", async () => {
    const key = await deploy("shop");
    const blocked = await planFor("shop", shop());
    expect(blocked.view.blockers).toMatchObject([{ code: "dependency_unknown", contractId: "orders@v1" }]);
    expect(refusal(await acceptPlan(context, { plan: blocked.plan.id, by: ANN }))).toMatchObject({
      reason: "plan_blocked",
    });
    await deploy("orders");
    await planFor("orders", orders);
    const shown = describePlan(context, blocked.plan.id);
    expect(shown).toMatchObject({
      value: { view: { blockers: [], requirements: [{ contractId: "orders@v1", state: "inactive" }] } },
    });
    expect((await acceptPlan(context, { plan: blocked.plan.id, by: ANN })).ok).toBe(true);
    await reconcile();
    expect(serviceGrants(context, key, contractDigest(shop()))).toMatchObject({
      error: { reason: "dependency_not_active", blockedBy: ["orders@v1"] },
    });
    await accepted("orders", orders);
    await reconcile();
    const grants = serviceGrants(context, key, contractDigest(shop()));
    expect(grants.ok && [...grants.value.capabilities].sort()).toEqual(["orders::read", "service"]);
    expect(grants.ok && permissionsOf(grants.value).publish.map(({ subject }) => subject)).toContain(
      "rpc.v1.Orders.Get",
    );
  });

  test("that only incompatible versions could meet block by id", async () => {
    await deploy("orders");
    await planFor("orders", ordersOther);
    await deploy("shop");
    const { view } = await planFor("shop", shop());
    expect(view.blockers).toMatchObject([{ code: "dependency_incompatible", contractId: "orders@v1" }]);
  });

  test("that are optional grant nothing while missing, and something once they are there", async () => {
    const key = await deploy("shop");
    await accepted("shop", shop(false));
    await reconcile();
    const digest = contractDigest(shop(false));
    const before = serviceGrants(context, key, digest);
    expect(before.ok && Object.keys(before.value.uses)).toEqual([]);
    expect(before.ok && permissionsOf(before.value).publish.map(({ subject }) => subject)).not.toContain(
      "rpc.v1.Orders.Get",
    );
    await deploy("orders");
    await accepted("orders", orders);
    await reconcile();
    const after = serviceGrants(context, key, digest);
    expect(after.ok && Object.keys(after.value.uses)).toEqual(["orders"]);
  });

  test("in a circle become ready together", async () => {
    const ping = manifestOf("ping@v1", {
      rpc: { "Ping.Do": [] },
      uses: { required: { pong: { contract: "pong@v1", rpc: { call: ["Pong.Do"] } } } },
    });
    const pong = manifestOf("pong@v1", {
      rpc: { "Pong.Do": [] },
      uses: { required: { ping: { contract: "ping@v1", rpc: { call: ["Ping.Do"] } } } },
    });
    const one = await deploy("ping");
    const two = await deploy("pong");
    const first = await planFor("ping", ping);
    expect(first.view.blockers).toHaveLength(1);
    await accepted("pong", pong);
    await reconcile();
    expect(serviceGrants(context, two, contractDigest(pong))).toMatchObject({
      error: { reason: "dependency_not_active" },
    });
    expect((await acceptPlan(context, { plan: first.plan.id, by: ANN })).ok).toBe(true);
    await reconcile();
    expect(serviceGrants(context, one, contractDigest(ping)).ok).toBe(true);
    expect(serviceGrants(context, two, contractDigest(pong)).ok).toBe(true);
  });

  test("below a requirement count too", async () => {
    const billing = manifestOf("billing@v1", { rpc: { "Billing.Pay": [] } });
    const needsBilling = manifestOf("orders@v1", {
      rpc: { "Orders.Get": ["orders::read"] },
      uses: { required: { billing: { contract: "billing@v1", rpc: { call: ["Billing.Pay"] } } } },
    });
    const key = await deploy("shop");
    await deploy("orders");
    await deploy("billing");
    await planFor("billing", billing);
    await accepted("orders", needsBilling);
    await accepted("shop", shop());
    await reconcile();
    expect(serviceGrants(context, key, contractDigest(shop()))).toMatchObject({
      error: {
        reason: "dependency_not_active",
        blockedBy: ["billing@v1"],
        message: expect.stringMatching(/through orders@v1/),
      },
    });
  });
});

describe("what is refused", () => {
  test("a subject another contract owns", async () => {
    await deploy("orders");
    await accepted("orders", orders);
    await reconcile();
    await deploy("copy");
    const { plan, view } = await planFor("copy", manifestOf("copy@v1", { rpc: { "Orders.Get": [] } }));
    expect(view.blockers).toMatchObject([{ code: "subject_collision", contractId: "orders@v1" }]);
    expect(refusal(await acceptPlan(context, { plan: plan.id, by: ANN }))).toMatchObject({
      why: expect.stringMatching(/rpc\.v1\.Orders\.Get/),
    });
  });

  test("another lineage in a deployment, and the platform's names", async () => {
    await deploy("orders");
    await accepted("orders", orders);
    expect(
      (await planFor("orders", manifestOf("billing@v1", { rpc: { "Billing.Pay": [] } }))).view.blockers,
    ).toMatchObject([{ code: "lineage_mismatch" }]);
    await deploy("evil");
    expect(
      (await planFor("evil", manifestOf("trellis.core@v1", { rpc: { "Evil.Do": [] } }))).view.blockers,
    ).toContainEqual(expect.objectContaining({ code: "invalid" }));
  });

  test("disabled deployments, disabled instances and revoked keys", async () => {
    const key = await deploy("orders");
    await accepted("orders", orders);
    await reconcile();
    const digest = contractDigest(orders);
    await updateInstance(context, { sessionKey: key, enabled: false, by: ANN });
    expect(serviceGrants(context, key, digest)).toMatchObject({ error: { reason: "service_disabled" } });
    await updateInstance(context, { sessionKey: key, enabled: true, by: ANN });
    await updateDeployment(context, { name: "orders", enabled: false, by: ANN });
    expect(serviceGrants(context, key, digest)).toMatchObject({ error: { reason: "service_disabled" } });
    await updateDeployment(context, { name: "orders", enabled: true, by: ANN });
    expect(serviceGrants(context, key, digest).ok).toBe(true);
    await revokeSession(
      { context, sessions: { remove: async () => undefined }, longestLifeMs: 60_000 },
      { sessionKey: key, by: ANN, reason: "lost" },
    );
    expect(serviceGrants(context, key, digest)).toMatchObject({ error: { reason: "session_revoked" } });
  });

  test("names that would not fit in a subject, taken names, and keys of others", async () => {
    for (const name of ["Orders", "orders_eu", "orders.eu", "", "x".repeat(60)]) {
      expect(refusal(await createDeployment(context, { name, mode: "strict", by: ANN }))).toMatchObject({
        reason: "invalid_name",
      });
    }
    const key = await deploy("orders");
    expect(refusal(await createDeployment(context, { name: "orders", mode: "strict", by: ANN }))).toMatchObject({
      reason: "exists",
    });
    await createDeployment(context, { name: "billing", mode: "strict", by: ANN });
    expect(
      refusal(await provisionInstance(context, { deployment: "billing", sessionKey: key, by: ANN })),
    ).toMatchObject({ reason: "key_in_use" });
  });
});

describe("reconciliation", () => {
  const withKv = (alias: string, kv: object = {}) =>
    manifestOf("orders@v1", {
      more: { resources: { kv: { [alias]: { purpose: "p", schema: { schema: "Any" }, ...kv } } } },
    });

  test("killed between any two steps, ends in the same place", async () => {
    const manifest = manifestOf("orders@v1", {
      events: ["Orders.Placed"],
      more: {
        resources: {
          kv: { a: { purpose: "a", schema: { schema: "Any" } }, b: { purpose: "b", schema: { schema: "Any" } } },
          store: { files: { purpose: "f" } },
        },
        jobs: { mail: { payload: { schema: "Any" } } },
        eventConsumers: { index: { self: ["Orders.Placed"], replay: "new", ordering: "strict", concurrency: 1 } },
      },
    });
    const key = await deploy("orders");
    await accepted("orders", manifest);
    await store.ensureShared();
    for (let steps = 0; steps <= 4; steps += 1) {
      let left = steps;
      const dying: ResourceStore = {
        ...store,
        ensure: (resource) => (left-- > 0 ? store.ensure(resource) : Promise.reject(new Error("killed"))),
      };
      await createReconciler({ context, store: dying, times: { retryMinMs: 0, retryMaxMs: 0 } }).round();
      expect(serviceGrants(context, key, contractDigest(manifest))).toMatchObject({
        error: { reason: "reconciliation_pending" },
      });
    }
    await reconcile();
    const grants = serviceGrants(context, key, contractDigest(manifest));
    expect(grants.ok && grants.value.bindings).toMatchObject({
      service: "orders",
      kv: { a: { bucket: "orders_a" }, b: { bucket: "orders_b" } },
      store: { files: { bucket: "orders_files" } },
      jobs: { mail: { stream: "JOBS_WORK", consumer: "orders_mail" } },
      eventConsumers: { index: { stream: "EVENTS", consumer: "orders_index" } },
    });
  });

  test("a failure says why, keeps the last good materialization, and is tried again", async () => {
    const key = await deploy("orders", "mutable-dev");
    await proposed("orders", withKv("a"));
    await reconcile();
    await jsApi(control.nc, "STREAM.CREATE.KV_orders_b", {
      name: "KV_orders_b",
      subjects: ["$KV.orders_b.>"],
      storage: "file",
    });
    const both = manifestOf("orders@v1", {
      more: {
        resources: {
          kv: { a: { purpose: "p", schema: { schema: "Any" } }, b: { purpose: "p", schema: { schema: "Any" } } },
        },
      },
    });
    await proposed("orders", both);
    await createReconciler({ context, store, times: { retryMinMs: 1, retryMaxMs: 5 } }).round();
    const failing = context.tables.authorities.get("orders")?.value;
    expect(failing).toMatchObject({ materialized: { version: 1 }, reconcile: { state: "failed", attempts: 1 } });
    expect(serviceGrants(context, key, contractDigest(withKv("a"))).ok).toBe(true);
    expect(serviceGrants(context, key, contractDigest(both))).toMatchObject({
      error: { message: expect.stringMatching(/not made by Trellis/) },
    });
    await jsApi(control.nc, "STREAM.DELETE.KV_orders_b", {});
    await until(async () => {
      await reconcile();
      return context.tables.authorities.get("orders")?.value.reconcile.state === "done";
    }, "the retry succeeds");
    expect(serviceGrants(context, key, contractDigest(both)).ok).toBe(true);
  });

  test("an alias that goes away leaves its data", async () => {
    await deploy("orders", "mutable-dev");
    await proposed("orders", withKv("a"));
    await reconcile();
    await publishStored(control.nc, "$KV.orders_a.k", new TextEncoder().encode("kept"));
    const without = await proposed("orders", manifestOf("orders@v1", { rpc: { "Orders.Get": [] } }));
    expect(without).toMatchObject({ view: { resources: [{ action: "release", physical: "orders_a" }] } });
    await reconcile();
    expect(context.tables.authorities.get("orders")?.value.materialized?.bindings.kv).toEqual({});
    expect((await jsApi<{ state: { messages: number } }>(control.nc, "STREAM.INFO.KV_orders_a")).state.messages).toBe(
      1,
    );
    await removeDeployment(context, { name: "orders", by: ANN });
    expect((await jsApi<{ state: { messages: number } }>(control.nc, "STREAM.INFO.KV_orders_a")).state.messages).toBe(
      1,
    );
  });

  test("runs by itself: after an acceptance, after a failure, and when somebody removed a bucket", async () => {
    const stop = new AbortController();
    const running = createReconciler({ context, store, times: { retryMinMs: 5, retryMaxMs: 20, sweepMs: 50 } }).run(
      stop.signal,
    );
    await deploy("orders", "mutable-dev");
    await proposed("orders", withKv("a"));
    const state = () => context.tables.authorities.get("orders")?.value;
    await until(() => state()?.materialized?.version === 1, "the acceptance is materialized");
    await jsApi(control.nc, "STREAM.DELETE.KV_orders_a", {});
    await until(async () => (await store.existing()).has("KV_orders_a"), "the removed bucket is made again");
    expect(await requestReconcile(context, "orders")).toBe(true);
    await until(() => state()?.reconcile.state === "done", "a request is worked on");
    stop.abort();
    await running;
  });

  test("two reconcilers at once do no harm", async () => {
    await deploy("orders", "mutable-dev");
    await proposed("orders", withKv("a"));
    const other = await startControl(server);
    await Promise.all([
      reconcile(),
      createReconciler({
        context: other.context,
        store: createResourceStore(other.nc, SHARED_STREAM_DEFAULTS),
      }).round(),
    ]);
    await until(
      () => context.tables.authorities.get("orders")?.value.materialized?.version === 1,
      "it is materialized once",
    );
    await other.close();
  });

  test("event consumers follow the contract whose events they read", async () => {
    const listener = manifestOf("index@v1", {
      uses: { optional: { orders: { contract: "orders@v1", events: { subscribe: ["Orders.Placed"] } } } },
      more: {
        eventConsumers: {
          all: { uses: { orders: ["Orders.Placed"] }, replay: "new", ordering: "strict", concurrency: 1 },
        },
      },
    });
    await deploy("index", "mutable-dev");
    await proposed("index", listener);
    await reconcile();
    const consumers = () => context.tables.authorities.get("index")?.value.materialized?.bindings.eventConsumers;
    expect(consumers()).toEqual({});
    await deploy("orders", "mutable-dev");
    await proposed("orders", manifestOf("orders@v1", { events: ["Orders.Placed"] }));
    await reconcile();
    expect(consumers()).toEqual({ all: { stream: "EVENTS", consumer: "index_all" } });
  });
});

describe("users", () => {
  const key = newKey().text;
  const session = newKey().text;
  const agent = manifestOf("cli.call@v1", {
    kind: "agent",
    uses: { required: { orders: { contract: "orders@v1", rpc: { call: ["Orders.Get"] } } } },
  });

  test("of the admin group hold what active contracts declare, cut to what the agent's contract needs", async () => {
    const user = await ensureDeveloper(context, { name: "dev", key, by: ANN });
    expect((await ensureDeveloper(context, { name: "dev", key, by: ANN })).id).toBe(user.id);
    await deploy("orders", "mutable-dev");
    await proposed("orders", ordersMore);
    await reconcile();
    await context.registry.transact((tx) =>
      tx.put(context.tables.contracts, contractDigest(agent), {
        digest: contractDigest(agent),
        contractId: agent.id,
        manifest: agent,
        firstSeenAt: 1,
        presentedBy: ANN,
      }),
    );
    const identity = { sessionKey: session, userId: user.id, userKey: key };
    const grants = agentGrants(context, identity, contractDigest(agent));
    expect(grants.ok && [...grants.value.capabilities]).toEqual(["orders::read"]);
    expect(grants.ok && permissionsOf(grants.value).publish.map(({ subject }) => subject)).toEqual([
      "rpc.v1.Orders.Get",
    ]);
    expect(refusal(await updateUser(context, { user: "dev", active: false, by: ANN }))).toMatchObject({
      reason: "last_admin",
    });
    await revokeSession(
      { context, sessions: { remove: async () => undefined }, longestLifeMs: 60_000 },
      { sessionKey: key, by: ANN, reason: "lost" },
    );
    expect(agentGrants(context, identity, contractDigest(agent))).toMatchObject({
      error: { reason: "session_revoked" },
    });
  });

  test("outside a group that holds it are told what they lack", async () => {
    await ensureGroups(context);
    await context.registry.transact((tx) =>
      tx.put(context.tables.groups, "guests", {
        name: "guests",
        capabilities: ["service"],
        everyCapability: false,
        createdAt: 1,
      }),
    );
    await ensureDeveloper(context, { name: "dev", key: newKey().text, by: ANN });
    const guest = await ensureDeveloper(context, { name: "guest", key, by: ANN });
    await updateUser(context, { user: "guest", groups: ["guests"], by: ANN });
    await deploy("orders", "mutable-dev");
    await proposed("orders", orders);
    await reconcile();
    await context.registry.transact((tx) =>
      tx.put(context.tables.contracts, contractDigest(agent), {
        digest: contractDigest(agent),
        contractId: agent.id,
        manifest: agent,
        firstSeenAt: 1,
        presentedBy: ANN,
      }),
    );
    expect(
      agentGrants(context, { sessionKey: session, userId: guest.id, userKey: key }, contractDigest(agent)),
    ).toMatchObject({
      error: {
        reason: "insufficient_permissions",
        message: expect.stringMatching(/guest lacks orders::read to call rpc Orders.Get/),
      },
    });
  });
});
