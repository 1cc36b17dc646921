import { contractDigest, NO_BINDINGS } from "@trellis/contracts";
import { NotFound, Refused } from "@trellis/sdk";
import { auth, core } from "@trellis/sdk";
import { compileSchema } from "@trellis/contracts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openAuditLog } from "../src/audit/audit-stream.ts";
import type { AuditLog } from "../src/audit/audit.ts";
import { createReconciler } from "../src/authority/reconciler.ts";
import { auditHandlers } from "../src/handlers/audit.ts";
import { coreHandlers } from "../src/handlers/core.ts";
import { createDeadLetters } from "../src/events/dead-letters.ts";
import { deploymentHandlers } from "../src/handlers/deployments.ts";
import { eventHandlers } from "../src/handlers/events.ts";
import { explainHandlers } from "../src/handlers/explain.ts";
import type { HandlerCaller } from "../src/handlers/handler.ts";
import { instanceHandlers } from "../src/handlers/instances.ts";
import { planHandlers } from "../src/handlers/plans.ts";
import { userHandlers } from "../src/handlers/users.ts";
import { createSessionDirectory, type SessionDirectory } from "../src/identity/session-directory.ts";
import { ensureDeveloper } from "../src/identity/user-commands.ts";
import type { AgentSession } from "../src/identity/agent-sessions.ts";
import { SILENT_LOG } from "../src/log.ts";
import { createResourceStore } from "../src/resources/jetstream.ts";
import { SHARED_STREAM_DEFAULTS } from "../src/resources/shared-streams.ts";
import { ANN, manifestOf, newKey, startControl, type TestControl } from "./control-kit.ts";
import { startPlainNatsServer } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let control: TestControl;
let directory: SessionDirectory;
let sessions: Map<string, AgentSession>;

beforeEach(async () => {
  server = await startPlainNatsServer();
  control = await startControl(server);
  sessions = new Map();
  directory = createSessionDirectory(
    control.context,
    {
      get: async (key) => sessions.get(key),
      remove: async (key) => void sessions.delete(key),
      list: async ({ userId, limit }) => ({
        sessions: [...sessions.values()].filter((one) => userId === undefined || one.userId === userId).slice(0, limit),
      }),
    },
    () => 1,
  );
});
afterEach(async () => {
  await control.close();
  await server.remove();
});

const caller: HandlerCaller = {
  type: "user",
  id: "01ANN",
  name: "ann",
  sessionKey: newKey().text,
  contractId: "cli@v1",
};
const orders = manifestOf("orders@v1", {
  rpc: { "Orders.Get": ["orders::read"], "Orders.Ping": [] },
  events: ["Orders.Placed"],
});

/** Calls a handler and checks the answer against the contract, as the router will. */
async function call<I, O>(
  contract: typeof auth | typeof core,
  handlers: { readonly [name: string]: unknown },
  name: string,
  input: I,
): Promise<O> {
  const handler = handlers[name] as (call: {
    input: I;
    caller: HandlerCaller;
  }) => Promise<{ ok: true; value: O } | { ok: false; error: Error }>;
  const result = await handler({ input, caller });
  if (!result.ok) throw result.error;
  const ref = contract.manifest.rpc?.[name]?.output.schema ?? "";
  const schema = contract.manifest.schemas?.[ref];
  if (schema === undefined) throw new Error(`no schema for ${name}`);
  expect(compileSchema(schema).errors(JSON.parse(JSON.stringify(result.value)))).toEqual([]);
  return result.value;
}

const reconcile = async (): Promise<void> => {
  const reconciler = createReconciler({
    context: control.context,
    store: createResourceStore(control.nc, SHARED_STREAM_DEFAULTS),
  });
  while ((await reconciler.round()) > 0);
};

async function serveOrders(): Promise<string> {
  const { context } = control;
  const key = newKey().text;
  await call(auth, deploymentHandlers(context), "Auth.Deployments.Create", { name: "orders", mode: "mutable-dev" });
  await call(auth, instanceHandlers(context), "Auth.Instances.Provision", {
    deployment: "orders",
    sessionKey: key,
    name: "one",
  });
  await call(auth, planHandlers(context), "Auth.Authority.Plan", {
    deployment: "orders",
    manifest: orders,
  });
  await reconcile();
  return key;
}

describe("deployments, instances and plans", () => {
  test("are made, shown, decided and removed through the contract", async () => {
    const { context } = control;
    const deployments = deploymentHandlers(context);
    const plans = planHandlers(context);
    expect(
      await call(auth, deployments, "Auth.Deployments.Create", { name: "orders", mode: "mutable-dev" }),
    ).toMatchObject({ mode: "mutable-dev", reconcile: { state: "none" } });
    await call(auth, deployments, "Auth.Deployments.Update", { deployment: "orders", mode: "strict" });
    const { plan } = await call<object, { plan: { id: string } }>(auth, plans, "Auth.Authority.Plan", {
      deployment: "orders",
      manifest: orders,
    });
    expect(plan).toMatchObject({
      classification: "update",
      status: "pending",
      toDigest: contractDigest(orders),
      blockedBy: [],
      inactive: [],
    });
    expect(await call(auth, deployments, "Auth.Deployments.Get", { deployment: "orders" })).toMatchObject({
      mode: "strict",
      pendingPlans: [plan.id],
    });
    expect(await call(auth, plans, "Auth.Authority.List", { status: "pending" })).toMatchObject({
      plans: [{ id: plan.id }],
    });
    expect(await call(auth, plans, "Auth.Authority.Accept", { plan: plan.id })).toMatchObject({
      status: "accepted",
      decidedBy: "ann",
    });
    await reconcile();
    expect(await call(auth, deployments, "Auth.Deployments.Get", { deployment: "orders" })).toMatchObject({
      reconcile: { state: "ready" },
      materializedDigest: contractDigest(orders),
      version: 1,
      pendingPlans: [],
    });
    expect(await call(auth, plans, "Auth.Authority.Plan", { deployment: "orders", manifest: orders })).toEqual({
      identical: true,
    });
    await expect(call(auth, plans, "Auth.Authority.Accept", { plan: plan.id })).rejects.toBeInstanceOf(Refused);
    await expect(call(auth, plans, "Auth.Authority.Get", { plan: "01NONE" })).rejects.toBeInstanceOf(NotFound);
    await call(auth, deployments, "Auth.Authority.Reconcile", { deployment: "orders" });
    await call(auth, deployments, "Auth.Deployments.Remove", { deployment: "orders" });
    await expect(call(auth, deployments, "Auth.Deployments.Get", { deployment: "orders" })).rejects.toBeInstanceOf(
      NotFound,
    );
  });

  test("that cannot be read as a contract are refused with every problem", async () => {
    await call(auth, deploymentHandlers(control.context), "Auth.Deployments.Create", { name: "orders" });
    await expect(
      call(auth, planHandlers(control.context), "Auth.Authority.Plan", {
        deployment: "orders",
        manifest: { format: "x" },
      }),
    ).rejects.toMatchObject({ type: "ManifestRefused" });
  });

  test("are listed in pages that neither skip nor repeat", async () => {
    const deployments = deploymentHandlers(control.context);
    const names = Array.from({ length: 7 }, (_, at) => `d${at}`);
    for (const name of names) await call(auth, deployments, "Auth.Deployments.Create", { name });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const listed: { deployments: { name: string }[]; nextCursor?: string } = await call(
        auth,
        deployments,
        "Auth.Deployments.List",
        { limit: 3, ...(cursor === undefined ? {} : { cursor }) },
      );
      seen.push(...listed.deployments.map(({ name }) => name));
      cursor = listed.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(names);
  });
});

describe("the catalogue", () => {
  test("lists the platform's contracts as active and what deployments implement", async () => {
    await serveOrders();
    const handlers = coreHandlers(control.context, directory);
    const { contracts } = await call<object, { contracts: { id: string; active: boolean }[] }>(
      core,
      handlers,
      "Trellis.Catalog",
      {},
    );
    expect(contracts.map(({ id, active }) => [id, active])).toEqual([
      ["orders@v1", true],
      ["trellis.auth@v1", true],
      ["trellis.core@v1", true],
      ["trellis.health@v1", true],
      ["trellis.jobs@v1", true],
      ["trellis.resources@v1", true],
      ["trellis.state@v1", true],
    ]);
    expect(await call(core, handlers, "Trellis.Contract.Get", { id: "orders@v1" })).toMatchObject({
      digest: contractDigest(orders),
      manifest: { id: "orders@v1" },
    });
    await expect(call(core, handlers, "Trellis.Contract.Get", { id: "nothing@v1" })).rejects.toMatchObject({
      type: "ContractNotFound",
    });
  });

  test("comes in pages that fit into a message, however many there are and however long they are described", async () => {
    const { registry, tables } = control.context;
    const ids = Array.from({ length: 2_000 }, (_, at) => `service${String(at).padStart(5, "0")}@v1`);
    for (let at = 0; at < ids.length; at += 100) {
      await registry.transact((tx) => {
        for (const id of ids.slice(at, at + 100)) {
          const manifest = manifestOf(id, { more: { description: "d".repeat(id.endsWith("00@v1") ? 16_384 : 500) } });
          const digest = contractDigest(manifest);
          tx.put(tables.contracts, digest, { digest, contractId: id, manifest, firstSeenAt: 1, presentedBy: ANN });
        }
      });
    }
    const handlers = coreHandlers(control.context, directory);
    const pages = async (limit?: number): Promise<readonly { readonly id: string }[][]> => {
      const found: { readonly id: string }[][] = [];
      let cursor: string | undefined;
      do {
        const answer: { contracts: { id: string }[]; nextCursor?: string } = await call(
          core,
          handlers,
          "Trellis.Catalog",
          { ...(limit === undefined ? {} : { limit }), ...(cursor === undefined ? {} : { cursor }) },
        );
        expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(1024 * 1024 - 64 * 1024);
        found.push(answer.contracts);
        cursor = answer.nextCursor;
      } while (cursor !== undefined);
      return found;
    };
    const all = [...ids, ...control.context.catalog.activeIds()].sort();
    const whole = await pages();
    expect(Buffer.byteLength(JSON.stringify(whole))).toBeGreaterThan(1024 * 1024);
    expect(whole.flat().map(({ id }) => id)).toEqual(all);
    const small = await pages(70);
    expect(small.flat().map(({ id }) => id)).toEqual(all);
    expect(Math.max(...small.map((page) => page.length))).toBe(70);
  });

  test("says whether a surface could be used, most basic reason first", async () => {
    const key = await serveOrders();
    const handlers = coreHandlers(control.context, directory);
    const status = async (question: object): Promise<string> =>
      (
        await call<object, { status: string }>(core, handlers, "Trellis.Surface.Status", {
          contractId: "orders@v1",
          kind: "rpc",
          ...question,
        })
      ).status;
    expect(await status({ contractId: "none@v1", surface: "Orders.Get" })).toBe("unknown_contract");
    expect(await status({ surface: "Orders.None" })).toBe("unknown_surface");
    expect(await status({ surface: "toString" })).toBe("unknown_surface");
    expect(await status({ surface: "Orders.Get" })).toBe("unauthorized");
    expect(await status({ surface: "Orders.Ping" })).toBe("unavailable");
    expect(await status({ surface: "Orders.Placed", kind: "event" })).toBe("available");
    control.live.push({
      sessionKey: key,
      name: "orders",
      deployment: "orders",
      contractDigest: contractDigest(orders),
    });
    expect(await status({ surface: "Orders.Ping" })).toBe("available");
  });
});

test("consumer groups come in pages, however many there are, and none is asked about twice", async () => {
  const { registry, tables } = control.context;
  const names = Array.from({ length: 7 }, (_, at) => `desk-${at}`);
  const groups = Array.from({ length: 180 }, (_, at) => `group${at}`);
  await registry.transact((tx) => {
    for (const deployment of names)
      tx.put(tables.authorities, deployment, {
        deployment,
        version: 1,
        accepted: [],
        materialized: {
          version: 1,
          contractId: "desk@v1",
          digest: "d",
          bindings: {
            ...NO_BINDINGS,
            eventConsumers: Object.fromEntries(groups.map((group) => [group, { stream: "EVENTS", consumer: group }])),
          },
          fingerprint: "x",
          follows: false,
          at: 1,
        },
        reconcile: { state: "done", attempts: 0, updatedAt: 1, problems: [] },
        history: [],
      });
  });
  let asked = 0;
  const state = { pending: 1, inFlight: 0, redelivered: 0, lastDelivered: undefined, pausedUntil: undefined };
  const handlers = eventHandlers(
    control.context,
    {
      // One consumer is gone: it is left out, and its page goes on.
      state: async ({ consumer }) => ((asked += 1), consumer === "group7" ? undefined : state),
      pause: async () => true,
    },
    createDeadLetters(control.nc, "unused"),
    SILENT_LOG,
  );
  await createResourceStore(control.nc, SHARED_STREAM_DEFAULTS).ensureShared();
  const all = async (request: object): Promise<readonly string[][]> => {
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const answer: { groups: { deployment: string; group: string }[]; nextCursor?: string } = await call(
        core,
        handlers,
        "Trellis.Events.Groups.List",
        { ...request, ...(cursor === undefined ? {} : { cursor }) },
      );
      pages.push(answer.groups.map(({ deployment, group }) => `${deployment} ${group}`));
      cursor = answer.nextCursor;
    } while (cursor !== undefined);
    return pages;
  };
  const expected = names.flatMap((name) =>
    groups.filter((group) => group !== "group7").map((group) => `${name} ${group}`),
  );
  const pages = await all({});
  expect(pages.flat()).toEqual(expected.toSorted());
  expect(pages.map(({ length }) => length)).toEqual([498, 497, 258]);
  expect(asked).toBe(names.length * groups.length);
  const few = await all({ deployment: "desk-3", limit: 50 });
  expect(few.flat()).toEqual(expected.filter((key) => key.startsWith("desk-3 ")).toSorted());
  expect(few).toHaveLength(4);
});

test("why: a session's rules with their reasons, or what is missing", async () => {
  const key = await serveOrders();
  const handlers = explainHandlers(directory);
  const why = (session: string, subject: string) => call(auth, handlers, "Auth.Explain", { session, subject });
  expect(await why(key, "rpc.v1.Orders.Get")).toMatchObject({
    principal: "orders",
    subscribe: true,
    publish: false,
    rules: [{ queue: "orders@v1", reason: expect.stringMatching(/owns the RPC/) }],
  });
  expect(await why("orders", "events.v1.Orders.Placed")).toMatchObject({ publish: true });
  expect(await why(key, "$JS.API.STREAM.CREATE.X")).toMatchObject({
    publish: false,
    subscribe: false,
    rules: [],
    message: expect.stringMatching(/may not use/),
  });
  await expect(why("nobody", "a")).rejects.toBeInstanceOf(NotFound);
});

test("users: made with groups that exist, and one key opens one user", async () => {
  await ensureDeveloper(control.context, { name: "dev", key: newKey().text, by: ANN });
  const handlers = userHandlers(control.context);
  const key = newKey().text;
  await expect(call(auth, handlers, "Auth.Users.Create", { name: "bob", groups: ["none"] })).rejects.toBeInstanceOf(
    NotFound,
  );
  await call(auth, handlers, "Auth.Users.Create", { name: "bob" });
  expect(await call(auth, handlers, "Auth.Users.AddKey", { user: "bob", key })).toMatchObject({
    name: "bob",
    keys: [key],
  });
  await expect(call(auth, handlers, "Auth.Users.AddKey", { user: "dev", key })).rejects.toBeInstanceOf(Refused);
});

describe("the audit log", () => {
  let log: AuditLog;
  beforeEach(async () => {
    log = await openAuditLog({ nc: control.nc, replicas: 1, maxAgeMs: 86_400_000 });
  });

  test("has every change once, newest first, however often it is moved there", async () => {
    await serveOrders();
    const waiting = [...control.context.tables.outbox.all()]
      .map(({ value }) => value)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const record of [...waiting, ...waiting]) await log.append(record);
    const handlers = auditHandlers(log);
    const { records } = await call<object, { records: { action: string; actor: string; target: string }[] }>(
      auth,
      handlers,
      "Auth.Audit.List",
      {},
    );
    expect(records.map(({ action }) => action)).toEqual(["plan.accept", "instance.provision", "deployment.create"]);
    expect(records[0]).toMatchObject({ actor: "trellis", target: "orders" });
    expect(await call(auth, handlers, "Auth.Audit.List", { action: "plan" })).toMatchObject({
      records: [{ action: "plan.accept" }],
    });
    const first = await call<object, { nextCursor?: string }>(auth, handlers, "Auth.Audit.List", { limit: 2 });
    expect(await call(auth, handlers, "Auth.Audit.List", { limit: 2, cursor: first.nextCursor })).toMatchObject({
      records: [{ action: "deployment.create" }],
    });
  });
});
