import { type Manifest, MANIFEST_FORMAT } from "@trellis/contracts";
import { describe, expect, test } from "vitest";
import type { ContractWorld } from "../catalog/world.ts";
import { planAuthority } from "./plan-authority.ts";
import { permissionLine, planChanges } from "./plan-lines.ts";

function manifest(id: string, more: Partial<Manifest> = {}): Manifest {
  return { format: MANIFEST_FORMAT, id, displayName: id, description: id, kind: "service", schemas: SCHEMAS, ...more };
}

const SCHEMAS = {
  Any: { type: "object" },
  Order: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
} as const;
const any = { schema: "Any" };
const rpc = (name: string, call?: readonly string[]) => ({
  [name]: {
    version: "v1",
    subject: `rpc.v1.${name}`,
    input: any,
    output: any,
    ...(call ? { capabilities: { call } } : {}),
  },
});
const event = (name: string) => ({ [name]: { version: "v1", subject: `events.v1.${name}`, event: any } });

/** A world of active and of merely known contracts. */
function worldOf(active: readonly Manifest[], known: readonly Manifest[] = []): ContractWorld {
  return {
    known: (id) => [...active, ...known].filter((one) => one.id === id),
    active: (id) => {
      const found = active.find((one) => one.id === id);
      return (
        found && {
          contractId: id,
          manifest: found,
          digest: id,
          deployments: [id.split("@")[0] ?? id],
          conflicting: [],
          builtin: false,
        }
      );
    },
    neighbours: (candidate) => active.filter((one) => one.id !== candidate.id),
  };
}

const plan = (
  candidate: Manifest,
  options: { readonly current?: Manifest; readonly world?: ContractWorld; readonly lineage?: string } = {},
) =>
  planAuthority({
    deployment: "orders",
    candidate,
    world: options.world ?? worldOf([]),
    live: [],
    ...(options.current ? { current: options.current } : {}),
    ...(options.lineage === undefined ? {} : { lineage: options.lineage }),
  });

const orders = manifest("orders@v1", { rpc: rpc("Orders.Get", ["orders::read"]) });

describe("what kind of plan it is", () => {
  test.each<readonly [string, Manifest, Manifest | undefined, "update" | "migration"]>([
    ["the first contract", orders, undefined, "update"],
    ["an RPC more", manifest("orders@v1", { rpc: { ...orders.rpc, ...rpc("Orders.Cancel") } }), orders, "update"],
    ["an RPC less", manifest("orders@v1"), orders, "migration"],
    [
      "another version of the contract",
      manifest("orders@v2", { rpc: rpc("Orders.Get", ["orders::read"]) }),
      orders,
      "migration",
    ],
    [
      "a capability more for what everybody could call",
      manifest("orders@v1", { rpc: rpc("Orders.Get", ["orders::read"]) }),
      manifest("orders@v1", { rpc: rpc("Orders.Get") }),
      "migration",
    ],
  ])("%s", (_, candidate, current, kind) => {
    expect(plan(candidate, current ? { current } : {}).kind).toBe(kind);
  });
});

test("surfaces, resources, capabilities and permissions are listed with what they need", () => {
  const billing = manifest("billing@v1", { rpc: rpc("Billing.Pay", ["billing::pay"]) });
  const candidate = manifest("orders@v1", {
    rpc: { ...rpc("Orders.Get", ["orders::read"]), ...rpc("Orders.Cancel", ["orders::write"]) },
    resources: {
      kv: { history: { purpose: "h", schema: any, history: 5, ttlMs: 30 * 86_400_000, maxValueBytes: 65_536 } },
      store: { files: { purpose: "f", maxTotalBytes: 512 * 2 ** 20 } },
    },
    uses: { required: { billing: { contract: "billing@v1", rpc: { call: ["Billing.Pay"] } } } },
  });
  const view = plan(candidate, { current: orders, world: worldOf([orders, billing]) });
  expect(planChanges(view).map(({ sign, surface, name, message }) => `${sign} ${surface} ${name}: ${message}`)).toEqual(
    [
      "+ rpc Orders.Cancel: to call needs orders::write",
      "+ kv orders_history: history of 5, 30 days, values up to 64 KiB",
      "+ store orders_files: 512 MiB, kept for ever",
      "+ capability billing::pay: held by the deployment",
    ],
  );
  expect(view.permissions.map(permissionLine)).toEqual(
    expect.arrayContaining([
      "+ publish rpc.v1.Billing.Pay",
      "+ publish $KV.orders_history.>",
      "+ subscribe rpc.v1.Orders.Cancel (queue orders@v1)",
    ]),
  );
  expect(view.permissions.every(({ action }) => action === "add")).toBe(true);
});

test("a changed surface says what changes, and a removed one that it breaks", () => {
  const typed = (schema: string): Manifest =>
    manifest("orders@v1", {
      events: { "Orders.Placed": { version: "v1", subject: "events.v1.Orders.Placed", event: { schema } } },
    });
  const changed = plan(typed("Order"), { current: typed("Any") });
  expect(changed.surfaces).toMatchObject([{ action: "change", kind: "event", name: "Orders.Placed" }]);
  expect(changed.surfaces[0]?.detail).not.toBe("");
  const removed = plan(manifest("orders@v1", { events: event("Orders.Other") }), { current: typed("Any") });
  expect(removed.surfaces.map(({ action, name, breaking }) => [action, name, breaking])).toEqual([
    ["add", "Orders.Other", false],
    ["remove", "Orders.Placed", true],
  ]);
  expect(removed.breaks).toEqual([
    { surface: "event Orders.Placed", message: "event Orders.Placed goes away", who: [] },
  ]);
});

test("a released bucket keeps its data, a changed one shows both", () => {
  const kv = (history: number): Manifest =>
    manifest("orders@v1", { resources: { kv: { a: { purpose: "p", schema: any, history } } } });
  expect(plan(manifest("orders@v1", { rpc: rpc("Orders.Get") }), { current: kv(1) }).resources).toMatchObject([
    { action: "release", physical: "orders_a", detail: expect.stringMatching(/data stays/) },
  ]);
  expect(plan(kv(9), { current: kv(2) }).resources).toMatchObject([
    { action: "change", detail: "history of 2, kept for ever → history of 9, kept for ever" },
  ]);
});

describe("requirements", () => {
  const needs = (required: boolean): Manifest =>
    manifest("shop@v1", {
      uses: {
        [required ? "required" : "optional"]: { orders: { contract: "orders@v1", rpc: { call: ["Orders.Get"] } } },
      },
    });
  const lacking = manifest("orders@v1", { rpc: rpc("Orders.Other") });
  test.each<readonly [string, boolean, ContractWorld, string, readonly string[]]>([
    ["active", true, worldOf([orders]), "active", []],
    ["known", true, worldOf([], [orders]), "inactive", []],
    ["unknown", true, worldOf([]), "unknown", ["dependency_unknown"]],
    ["only incompatible", true, worldOf([lacking]), "incompatible", ["dependency_incompatible"]],
    ["active but incompatible, a fitting one known", true, worldOf([lacking], [orders]), "inactive", []],
    ["optional and unknown", false, worldOf([]), "unknown", []],
    ["optional and incompatible", false, worldOf([lacking]), "incompatible", []],
  ])("%s", (_, required, world, state, blockers) => {
    const view = plan(needs(required), { world });
    expect(view.requirements.map((one) => one.state)).toEqual([state]);
    expect(view.blockers.map(({ code }) => code)).toEqual(blockers);
  });

  test("an optional one that is missing grants nothing, a required one that is known is shown as it will be", () => {
    const lines = (view: ReturnType<typeof plan>): readonly string[] => view.permissions.map(permissionLine);
    expect(lines(plan(needs(false), { world: worldOf([], [orders]) }))).not.toContain("+ publish rpc.v1.Orders.Get");
    expect(lines(plan(needs(true), { world: worldOf([], [orders]) }))).toContain("+ publish rpc.v1.Orders.Get");
  });
});

describe("blockers", () => {
  test.each<readonly [string, Manifest, string | undefined, ContractWorld, string]>([
    ["another lineage", manifest("billing@v1", { rpc: rpc("Billing.Pay") }), "orders", worldOf([]), "lineage_mismatch"],
    ["the platform's name", manifest("trellis.evil@v1", { rpc: rpc("Evil.Do") }), undefined, worldOf([]), "invalid"],
    ["the contract of an agent", manifest("orders@v1", { kind: "agent" }), undefined, worldOf([]), "invalid"],
    [
      "a subject another contract owns",
      manifest("copy@v1", { rpc: rpc("Orders.Get") }),
      undefined,
      worldOf([orders]),
      "subject_collision",
    ],
    [
      "a wildcard over a subject another contract owns",
      manifest("copy@v1", {
        events: { "Orders.Any": { version: "v1", subject: "events.v1.Orders.Any.{/id}", params: ["/id"], event: any } },
      }),
      undefined,
      worldOf([manifest("orders@v1", { events: event("Orders.Any.Thing") })]),
      "subject_collision",
    ],
  ])("%s", (_, candidate, lineage, world, code) => {
    const view = plan(candidate, { world, ...(lineage === undefined ? {} : { lineage }) });
    expect(view.blockers.map((blocker) => blocker.code)).toContain(code);
    for (const blocker of view.blockers) expect(blocker.message).toMatch(/[A-Za-z]/);
  });
});

test("an event that joins a group is an update; one that leaves it is a migration that says what is skipped", () => {
  const events = { ...event("Orders.Placed"), ...event("Orders.Sent") };
  const taking = (self: readonly string[], replay: "new" | "all" = "new") =>
    manifest("orders@v1", {
      events,
      eventConsumers: { audit: { self, replay, ordering: "strict", concurrency: 1 } },
    });
  const one = taking(["Orders.Placed"]);
  const both = taking(["Orders.Placed", "Orders.Sent"]);
  expect(plan(both, { current: one })).toMatchObject({ kind: "update", breaks: [] });
  expect(plan(one, { current: both })).toMatchObject({
    kind: "migration",
    breaks: [
      {
        surface: "eventConsumer audit",
        message: "the event consumer audit no longer takes its own Orders.Sent; what waits of it is skipped",
        who: ["orders"],
      },
    ],
  });
  expect(plan(taking(["Orders.Placed"], "all"), { current: one })).toMatchObject({ kind: "migration" });
  expect(plan(manifest("orders@v1", { events }), { current: one }).breaks[0]?.message).toContain(
    "is handled by nobody",
  );
});
