import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareManifests, contractDigest, parseManifest } from "./index.ts";
import type { Manifest } from "./index.ts";
import { anyManifest, manifestOf, shuffled } from "../test/random-manifests.ts";

const base = {
  format: "trellis.contract.v1",
  id: "orders@v1",
  displayName: "Orders",
  description: "Orders",
  kind: "device",
  capabilities: { "orders::read": { displayName: "Read", description: "Read" } },
  schemas: {
    Order: { type: "object", properties: { id: { type: "string" }, note: { type: "string" } }, required: ["id"] },
    Id: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
  },
  errors: { NotFound: { type: "NotFound", schema: { schema: "Id" } } },
  rpc: {
    "Orders.Get": {
      version: "v1",
      subject: "rpc.v1.Orders.Get",
      input: { schema: "Id" },
      output: { schema: "Order" },
      errors: [{ type: "NotFound" }],
    },
  },
  operations: {
    "Orders.Refund": {
      version: "v1",
      subject: "operations.v1.Orders.Refund",
      input: { schema: "Id" },
      output: { schema: "Order" },
      capabilities: { call: [], cancel: [] },
      signals: { hurry: { input: { schema: "Id" } } },
    },
  },
  events: {
    "Orders.Placed": {
      version: "v1",
      subject: "events.v1.Orders.Placed.{/id}",
      params: ["/id"],
      event: { schema: "Order" },
    },
  },
  feeds: {
    "Orders.Live": {
      version: "v1",
      subject: "feeds.v1.Orders.Live",
      input: { schema: "Id" },
      event: { schema: "Order" },
    },
  },
  jobs: { mail: { payload: { schema: "Order" } } },
  state: { view: { kind: "value", schema: { schema: "Order" } } },
  resources: {
    kv: { orders: { purpose: "orders", schema: { schema: "Order" }, history: 5 } },
    store: { files: { purpose: "files", maxObjectBytes: 100 } },
  },
};

function parsed(input: unknown): Manifest {
  const result = parseManifest(input);
  if (!result.ok) throw new Error(JSON.stringify(result.error.problems));
  return result.value.manifest;
}

/** The base with one member replaced, removed (undefined) or added. */
function changed(path: string, value: unknown): Manifest {
  const copy: unknown = structuredClone(base);
  const keys = path.split(">");
  let at = copy as { [key: string]: unknown };
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as { [key: string]: unknown };
  at[keys.at(-1) ?? ""] = value;
  return parsed(JSON.stringify(copy));
}

const noted = (extra: object) => ({
  type: "object",
  properties: { id: { type: "string" }, note: { type: "string" }, ...extra },
  required: ["id"],
});

describe("compareManifests", () => {
  test.each<[string, string, unknown, string, readonly string[]]>([
    ["an RPC is removed", "rpc", undefined, "/rpc/Orders.Get", ["callers"]],
    ["an operation is removed", "operations", undefined, "/operations/Orders.Refund", ["callers", "observers"]],
    ["an event is removed", "events", undefined, "/events/Orders.Placed", ["publishers", "subscribers"]],
    ["a feed is removed", "feeds", undefined, "/feeds/Orders.Live", ["subscribers"]],
    ["a job queue is removed", "jobs", undefined, "/jobs/mail", ["stored data"]],
    ["a state is removed", "state", undefined, "/state/view", ["stored data"]],
    ["a bucket is removed", "resources>kv", undefined, "/resources/kv/orders", ["stored data"]],
    ["a store is removed", "resources>store", undefined, "/resources/store/files", ["stored data"]],
    [
      "an input asks for more",
      "schemas>Id",
      { type: "object", properties: { id: { type: "string" }, by: { type: "string" } }, required: ["id", "by"] },
      "/rpc/Orders.Get/input",
      ["callers"],
    ],
    [
      "an output loses a promise",
      "schemas>Order",
      { type: "object", properties: { id: { type: "string" } } },
      "/rpc/Orders.Get/output",
      ["callers"],
    ],
    [
      "an event loses a promise",
      "schemas>Order",
      { type: "object", properties: { id: { type: "string" } } },
      "/events/Orders.Placed/event",
      ["subscribers"],
    ],
    [
      "stored values are refused",
      "schemas>Order",
      { ...noted({}), required: ["id", "note"] },
      "/resources/kv/orders/schema",
      ["stored data"],
    ],
    [
      "waiting jobs are refused",
      "schemas>Order",
      { ...noted({}), required: ["id", "note"] },
      "/jobs/mail/payload",
      ["stored data"],
    ],
    [
      "stored state is refused",
      "schemas>Order",
      { ...noted({}), required: ["id", "note"] },
      "/state/view/schema",
      ["stored data"],
    ],
    [
      "calling needs a capability",
      "rpc>Orders.Get>capabilities",
      { call: ["orders::read"] },
      "/rpc/Orders.Get/capabilities/call",
      ["callers"],
    ],
    [
      "observing needs a capability",
      "operations>Orders.Refund>capabilities>observe",
      ["orders::read"],
      "/operations/Orders.Refund/capabilities/observe",
      ["observers"],
    ],
    [
      "cancelling is closed",
      "operations>Orders.Refund>capabilities>cancel",
      undefined,
      "/operations/Orders.Refund/capabilities/cancel",
      ["callers"],
    ],
    [
      "a signal is removed",
      "operations>Orders.Refund>signals",
      undefined,
      "/operations/Orders.Refund/signals/hurry",
      ["callers"],
    ],
    [
      "an RPC transfers bytes",
      "rpc>Orders.Get>transfer",
      { direction: "receive" },
      "/rpc/Orders.Get/transfer",
      ["callers"],
    ],
    ["history shrinks", "resources>kv>orders>history", 1, "/resources/kv/orders/history", ["stored data"]],
    [
      "objects become smaller",
      "resources>store>files>maxObjectBytes",
      10,
      "/resources/store/files/maxObjectBytes",
      ["stored data"],
    ],
    ["the kind changes", "kind", "app", "/kind", ["the service"]],
    [
      "state is written in a version that old values do not have",
      "state>view>stateVersion",
      "v2",
      "/state/view/stateVersion",
      ["stored data"],
    ],
  ])("%s: breaking", (_, path, value, at, breaks) => {
    const { verdict, changes } = compareManifests(parsed(base), changed(path, value));
    expect(verdict).toBe("breaking");
    expect(changes.filter(({ effect }) => effect === "breaking")).toContainEqual(
      expect.objectContaining({ path: at, breaks }),
    );
  });

  test.each<[string, string, unknown, string]>([
    [
      "an RPC is added",
      "rpc>Orders.List",
      { version: "v1", subject: "rpc.v1.Orders.List", input: { schema: "Id" }, output: { schema: "Order" } },
      "/rpc/Orders.List",
    ],
    [
      "an event is added",
      "events>Orders.Gone",
      { version: "v1", subject: "events.v1.Orders.Gone", event: { schema: "Id" } },
      "/events/Orders.Gone",
    ],
    [
      "an optional member is added everywhere",
      "schemas>Order",
      noted({ size: { type: "number" } }),
      "/events/Orders.Placed/event",
    ],
    [
      "an input asks for less",
      "schemas>Id",
      { type: "object", properties: { id: { type: "string" } } },
      "/rpc/Orders.Get/input",
    ],
    ["an error is added", "errors>Late", { type: "Late" }, ""],
    ["a bucket is added", "resources>kv>more", { purpose: "more", schema: { schema: "Id" } }, "/resources/kv/more"],
    ["history grows", "resources>kv>orders>history", 9, "/resources/kv/orders/history"],
    [
      "a capability is added",
      "capabilities>orders::write",
      { displayName: "W", description: "W" },
      "/capabilities/orders::write",
    ],
    [
      "a required use is added",
      "uses",
      { required: { other: { contract: "other@v1", rpc: { call: ["Other.Get"] } } } },
      "/uses/required/other",
    ],
    ["a consumer is added", "eventConsumers", { own: { self: ["Orders.Placed"] } }, "/eventConsumers/own"],
    ["job settings", "jobs>mail>maxDeliver", 9, "/jobs/mail"],
    ["job priorities", "jobs>mail>priorities", true, "/jobs/mail"],
    ["a schedule", "jobs>mail>schedules", { nightly: { cron: "0 3 * * *", payload: { id: "all" } } }, "/jobs/mail"],
  ])("%s: compatible", (_, path, value, at) => {
    const before =
      path === "schemas>Id"
        ? { ...base, errors: undefined, rpc: { "Orders.Get": { ...base.rpc["Orders.Get"], errors: undefined } } }
        : base;
    const after =
      path === "schemas>Id" ? parsed({ ...before, schemas: { ...base.schemas, Id: value } }) : changed(path, value);
    const { verdict, changes } = compareManifests(parsed(before), after);
    if (at === "") return expect(verdict).toBe("identical"); // an error no RPC names is not part of the meaning
    expect({ verdict, changes }).toMatchObject({ verdict: "compatible" });
    expect(changes.map((change) => change.path)).toContain(at);
    return undefined;
  });

  test("a queue that loses its priorities strands the jobs that wait with one", () => {
    const mail = { payload: { schema: "Order" } };
    const ranked = parsed({ ...base, jobs: { mail: { ...mail, priorities: true } } });
    const { verdict, changes } = compareManifests(ranked, parsed({ ...base, jobs: { mail } }));
    expect(verdict).toBe("breaking");
    expect(changes).toContainEqual(expect.objectContaining({ path: "/jobs/mail/priorities", breaks: ["stored data"] }));
  });

  test("a new state version that reads the old one is compatible", () => {
    const after = changed("state>view", {
      kind: "value",
      schema: { schema: "Id" },
      stateVersion: "v2",
      acceptedVersions: { v1: { schema: "Order" } },
    });
    expect(compareManifests(parsed(base), after).verdict).toBe("compatible");
  });

  test("an event that others may publish must go on accepting what they publish", () => {
    const events = {
      "Orders.Placed": { ...base.events["Orders.Placed"], capabilities: { publish: ["orders::read"] } },
    };
    const stricter = { ...base.schemas, Order: { ...noted({}), required: ["id", "note"] } };
    const quiet = { ...base, events, jobs: undefined, state: undefined, resources: undefined };
    const { changes } = compareManifests(parsed(quiet), parsed({ ...quiet, schemas: stricter }));
    expect(changes).toContainEqual(
      expect.objectContaining({ path: "/events/Orders.Placed/event", breaks: ["publishers"] }),
    );
  });

  test("messages say what changes and for whom", () => {
    const { changes } = compareManifests(
      parsed(base),
      changed("schemas>Id", { type: "object", properties: { id: { type: "integer" } }, required: ["id"] }),
    );
    expect(changes.find(({ path }) => path === "/rpc/Orders.Get/input")?.message).toBe(
      "the input of Orders.Get changes so that what fitted before may be refused: the value at /id may be string, but only integer is accepted",
    );
  });

  test("identical exactly when the digests are equal", () => {
    fc.assert(
      fc.property(anyManifest, anyManifest, fc.integer(), (one, other, seed) => {
        expect(compareManifests(one, shuffled({ ...one, displayName: "Other" }, seed))).toEqual({
          verdict: "identical",
          changes: [],
        });
        const { verdict, changes } = compareManifests(one, other);
        expect(verdict === "identical").toBe(contractDigest(one) === contractDigest(other));
        expect(verdict === "breaking").toBe(changes.some(({ effect }) => effect === "breaking"));
        // Every difference in meaning is named.
        if (verdict !== "identical") expect(changes.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });

  test("adding surfaces never breaks, removing them always does", () => {
    fc.assert(
      fc.property(
        manifestOf("shop@v1"),
        fc.constantFrom("rpc" as const, "operations" as const, "events" as const, "feeds" as const, "jobs" as const),
        (manifest, member) => {
          const { [member]: removed, eventConsumers: _, ...rest } = { ...manifest };
          if (Object.keys(removed ?? {}).length === 0) return;
          const full = { ...manifest, eventConsumers: {} };
          expect(compareManifests(rest, full).verdict).toBe("compatible");
          expect(compareManifests(full, rest).verdict).toBe("breaking");
        },
      ),
      { numRuns: 50 },
    );
  });
});
