import { contractDigest, type Manifest } from "@trellis/contracts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReconciler } from "../src/authority/reconciler.ts";
import { propose } from "../src/authority/proposals.ts";
import { createDeployment, removeDeployment } from "../src/deployments/deployment-commands.ts";
import { provisionInstance } from "../src/deployments/instance-commands.ts";
import { serviceGrants } from "../src/authority/grants.ts";
import { jsApi, publishStored } from "../src/registry/jetstream-api.ts";
import { createResourceStore, type ResourceStore } from "../src/resources/jetstream.ts";
import { carryOutPurges, decidePurge } from "../src/resources/purge.ts";
import { SHARED_STREAM_DEFAULTS } from "../src/resources/shared-streams.ts";
import { ANN, manifestOf, newKey, startControl, type TestControl } from "./control-kit.ts";
import { startPlainNatsServer } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let control: TestControl;
let store: ResourceStore;
beforeEach(async () => {
  server = await startPlainNatsServer();
  control = await startControl(server);
  store = createResourceStore(control.nc, SHARED_STREAM_DEFAULTS);
});
afterEach(async () => {
  await control.close();
  await server.remove();
});

const bare = manifestOf("orders@v1");
const withKv = (id = "orders@v1"): Manifest =>
  manifestOf(id, { more: { resources: { kv: { drafts: { purpose: "p", schema: { schema: "Any" } } } } } });

async function run(manifest: Manifest): Promise<void> {
  const proposed = await propose(control.context, { deployment: "orders", manifest, by: ANN });
  expect(proposed).toMatchObject({ ok: true });
  await createReconciler({ context: control.context, store }).round();
}

const messages = async (): Promise<number> =>
  (await jsApi<{ state: { messages: number } }>(control.nc, "STREAM.INFO.KV_orders_drafts")).state.messages;
const write = (key: string) => publishStored(control.nc, `$KV.orders_drafts.${key}`, new Uint8Array([1]));
const decide = (acknowledge = "orders_drafts") =>
  decidePurge(control.context, store, { deployment: "orders", alias: "drafts", acknowledge, by: ANN });

describe("a purge", () => {
  beforeEach(async () => {
    await createDeployment(control.context, { name: "orders", mode: "mutable-dev", by: ANN });
    await run(withKv());
    await write("a");
  });

  test("is refused while anything names the resource, and without its name", async () => {
    expect(await decide()).toMatchObject({ error: { reason: "in_use" } });
    // Accepted and not yet carried out counts, in both directions.
    await propose(control.context, { deployment: "orders", manifest: bare, by: ANN });
    expect(await decide()).toMatchObject({ error: { reason: "in_use" } });
    await createReconciler({ context: control.context, store }).round();
    expect(await decide("drafts")).toMatchObject({ error: { reason: "acknowledge_required" } });
    expect(control.context.tables.purges.size).toBe(0);
    expect(await messages()).toBe(1);
  });

  test("cut between any two steps is finished by whoever comes next, and deletes nothing twice", async () => {
    await run(bare);
    expect(await decide()).toMatchObject({ ok: true });
    // Decided twice is decided once.
    expect(await decide()).toMatchObject({ ok: true });
    expect(control.context.tables.purges.size).toBe(1);
    await carryOutPurges(control.context, { remove: () => Promise.reject(new Error("killed before")) }).catch(
      () => undefined,
    );
    expect(await messages()).toBe(1);
    const [decided] = [...control.context.tables.purges.all()];
    if (!decided) throw new Error("nothing was recorded");
    // Killed after the deletion and before its record went: the next one finds something newer under the name.
    await store.remove(decided.id, decided.value);
    await run(withKv());
    expect(await messages()).toBe(0);
    await write("b");
    await store.remove(decided.id, decided.value);
    expect(await messages()).toBe(1);
    expect(control.context.tables.purges.size).toBe(0);
  });

  test("that was decided comes before a contract that was accepted later: it gets its bucket anew", async () => {
    const key = newKey().text;
    await provisionInstance(control.context, { deployment: "orders", sessionKey: key, by: ANN });
    await run(bare);
    await decide();
    await run(withKv());
    expect(await messages()).toBe(0);
    expect(serviceGrants(control.context, key, contractDigest(withKv())).ok).toBe(true);
  });

  test("frees the name for another service when the deployment was removed", async () => {
    await removeDeployment(control.context, { name: "orders", by: ANN });
    await createDeployment(control.context, { name: "orders", mode: "mutable-dev", by: ANN });
    await run(withKv("billing@v1"));
    const failed = control.context.tables.authorities.get("orders")?.value.reconcile;
    expect(failed).toMatchObject({
      state: "failed",
      problems: [expect.stringMatching(/trellis svc purge orders drafts/)],
    });
    // What another service left is nobody's, although a contract has an alias of that name.
    expect(await decide()).toMatchObject({ ok: true });
    await createReconciler({ context: control.context, store }).round();
    control.advance(60_000);
    await createReconciler({ context: control.context, store }).round();
    expect(control.context.tables.authorities.get("orders")?.value.reconcile.state).toBe("done");
    expect(await messages()).toBe(0);
  });

  test("of a queue takes the work along", async () => {
    await store.ensureShared();
    const queue = manifestOf("orders@v1", {
      more: { jobs: { mail: { payload: { schema: "Any" }, priorities: true } } },
    });
    await run(queue);
    await publishStored(control.nc, "trellis.jobs.orders.mail.j1.created", new Uint8Array([1]));
    const found = async () => (await store.inventory()).filter(({ kind }) => kind === "jobs");
    const waiting = async () => (await found()).find(({ physical }) => physical === "orders_mail")?.entries;
    await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
    expect(await found()).toHaveLength(3);
    await run(bare);
    await decidePurge(control.context, store, {
      deployment: "orders",
      alias: "mail",
      acknowledge: "orders_mail",
      by: ANN,
    });
    await createReconciler({ context: control.context, store }).round();
    expect(await found()).toEqual([]);
    await run(queue);
    expect(await waiting()).toBe(0);
  });
});

test("a deployment with more keys than one transaction holds is removed in steps, disabled from the first", async () => {
  const { context } = control;
  await createDeployment(context, { name: "orders", mode: "strict", by: ANN });
  const keys = Array.from({ length: 900 }, () => newKey().text);
  await context.registry.transact((tx) => {
    for (const sessionKey of keys.slice(0, 450)) tx.put(context.tables.instances, sessionKey, instance(sessionKey));
  });
  await context.registry.transact((tx) => {
    for (const sessionKey of keys.slice(450)) tx.put(context.tables.instances, sessionKey, instance(sessionKey));
  });
  let steps = 0;
  // Killed after its first step: what is left is disabled, and going on is saying it again.
  const dying = {
    ...context,
    registry: {
      ...context.registry,
      transact: <R>(decide: Parameters<typeof context.registry.transact<R>>[0]) =>
        (steps += 1) > 1 ? Promise.reject(new Error("killed")) : context.registry.transact(decide),
    },
  };
  await expect(removeDeployment(dying, { name: "orders", by: ANN })).rejects.toThrow("killed");
  expect(context.tables.deployments.get("orders")?.value.enabled).toBe(false);
  expect(context.tables.instances.by("deployment", "orders")).toHaveLength(500);
  expect(await removeDeployment(context, { name: "orders", by: ANN })).toMatchObject({ ok: true });
  expect(context.tables.instances.size).toBe(0);
  expect(context.tables.deployments.size).toBe(0);
});

const instance = (sessionKey: string) => ({
  sessionKey,
  deployment: "orders",
  enabled: true,
  createdAt: Date.now(),
  createdBy: ANN,
});
