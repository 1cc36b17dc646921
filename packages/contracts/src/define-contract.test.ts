import { type } from "arktype";
import { Type } from "typebox";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  baselineUses,
  compileSchema,
  ContractError,
  contractFromManifest,
  defineAgentContract,
  defineAppContract,
  defineContract,
  defineDeviceContract,
  defineError,
  defineServiceContract,
  normalizeManifest,
  parseManifest,
} from "./index.ts";
import type { Problem } from "./index.ts";

const Order = Type.Object({ id: Type.String(), status: Type.String(), customer: Type.Object({ id: Type.String() }) });
const OrderId = Type.Object({ id: Type.String() });
const OrderNotFound = defineError({
  type: "OrderNotFound",
  fields: { id: Type.String() },
  message: ({ id }) => `No order ${id}`,
});
const about = { displayName: "Orders", description: "Take and track orders." };

const orders = defineServiceContract({ schemas: { Order, OrderId }, errors: { OrderNotFound } }, (ref) => ({
  id: "orders@v1",
  ...about,
  docs: { markdown: "# Orders" },
  exports: { schemas: ["Order"] },
  capabilities: { read: { displayName: "Read orders", description: "See any order." } },
  rpc: {
    "Orders.Get": {
      version: "v1",
      input: ref.schema("OrderId"),
      output: ref.schema("Order"),
      errors: [ref.error("OrderNotFound")],
      capabilities: { call: ["read", "service"] },
      docs: { summary: "One order" },
    },
    "Orders.List": {
      version: "v2",
      input: ref.schema("OrderId"),
      output: ref.schema("Order"),
      once: true,
      transfer: { direction: "receive" },
    },
  },
  operations: {
    "Orders.Refund": {
      version: "v1",
      input: ref.schema("OrderId"),
      progress: ref.schema("OrderId"),
      output: ref.schema("Order"),
      signals: { hurry: { input: ref.schema("OrderId") } },
      cancel: true,
      capabilities: { call: ["read"], observe: [], cancel: ["read"], control: ["admin"] },
      transfer: { direction: "send", store: "receipts", key: "/id", maxBytes: 1000 },
    },
  },
  events: {
    "Orders.Placed": {
      version: "v1",
      event: ref.schema("Order"),
      params: ["/status", "/customer/id"],
      capabilities: { publish: ["service"], subscribe: ["read"] },
    },
    "Orders.Closed": { version: "v1", event: ref.schema("OrderId") },
  },
  feeds: {
    "Orders.Live": {
      version: "v1",
      input: ref.schema("OrderId"),
      event: ref.schema("Order"),
      capabilities: { subscribe: ["read"] },
    },
  },
  jobs: {
    mail: {
      payload: ref.schema("Order"),
      result: ref.schema("OrderId"),
      backoffMs: [30, 10],
      concurrency: 4,
      dlq: false,
    },
  },
  eventConsumers: { audit: { self: ["Orders.Placed"] } },
  resources: {
    kv: { orders: { purpose: "The orders", schema: ref.schema("Order"), history: 3, required: false } },
    store: { receipts: { purpose: "Receipts", maxObjectBytes: 5 } },
  },
}));

/** The problems of a contract that must not come to be, as `path: message — fix`. */
function problemsOf(define: () => unknown): readonly Problem[] {
  try {
    define();
  } catch (error) {
    if (error instanceof ContractError) return error.problems;
    throw error;
  }
  throw new Error("the contract was accepted");
}

/** What a person reads about one path. */
function sentence(problems: readonly Problem[], path: string): string {
  const found = problems.filter((problem) => problem.path === path);
  expect(found, `one problem at ${path} in ${JSON.stringify(problems, null, 1)}`).toHaveLength(1);
  return `${found[0]?.message} — ${found[0]?.fix}`;
}

/** Definitions the type system would refuse, as JavaScript authors may write them. */
const loose: (
  declarations: object,
  build: (ref: { schema(name: string): object; error(type: string): object }) => object,
) => unknown = (declarations, build) => Reflect.apply(defineServiceContract, undefined, [declarations, build]);

describe("the manifest", () => {
  test("holds every member of every surface", () => {
    expect(orders.manifest).toEqual({
      format: "trellis.contract.v1",
      id: "orders@v1",
      displayName: "Orders",
      description: "Take and track orders.",
      kind: "service",
      docs: { markdown: "# Orders" },
      exports: { schemas: ["Order"] },
      capabilities: { "orders::read": { displayName: "Read orders", description: "See any order." } },
      schemas: {
        Order: JSON.parse(JSON.stringify(Order)),
        OrderId: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
        OrderNotFoundFields: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
      },
      uses: {
        required: {
          auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Requests.Validate"] } },
          health: { contract: "trellis.health@v1", events: { publish: ["Health.Heartbeat"] } },
        },
      },
      rpc: {
        "Orders.Get": {
          version: "v1",
          subject: "rpc.v1.Orders.Get",
          input: { schema: "OrderId" },
          output: { schema: "Order" },
          errors: [{ type: "OrderNotFound" }],
          capabilities: { call: ["orders::read", "service"] },
          docs: { summary: "One order" },
        },
        "Orders.List": {
          version: "v2",
          subject: "rpc.v2.Orders.List",
          input: { schema: "OrderId" },
          output: { schema: "Order" },
          once: true,
          transfer: { direction: "receive" },
        },
      },
      operations: {
        "Orders.Refund": {
          version: "v1",
          subject: "operations.v1.Orders.Refund",
          input: { schema: "OrderId" },
          progress: { schema: "OrderId" },
          output: { schema: "Order" },
          signals: { hurry: { input: { schema: "OrderId" } } },
          cancel: true,
          capabilities: { call: ["orders::read"], observe: [], cancel: ["orders::read"], control: ["admin"] },
          transfer: { direction: "send", store: "receipts", key: "/id", maxBytes: 1000 },
        },
      },
      events: {
        "Orders.Placed": {
          version: "v1",
          subject: "events.v1.Orders.Placed.{/status}.{/customer/id}",
          event: { schema: "Order" },
          params: ["/status", "/customer/id"],
          capabilities: { publish: ["service"], subscribe: ["orders::read"] },
        },
        "Orders.Closed": { version: "v1", subject: "events.v1.Orders.Closed", event: { schema: "OrderId" } },
      },
      feeds: {
        "Orders.Live": {
          version: "v1",
          subject: "feeds.v1.Orders.Live",
          input: { schema: "OrderId" },
          event: { schema: "Order" },
          capabilities: { subscribe: ["orders::read"] },
        },
      },
      errors: { OrderNotFound: { type: "OrderNotFound", schema: { schema: "OrderNotFoundFields" } } },
      jobs: {
        mail: {
          payload: { schema: "Order" },
          result: { schema: "OrderId" },
          backoffMs: [30, 10],
          concurrency: 4,
          dlq: false,
        },
      },
      eventConsumers: { audit: { self: ["Orders.Placed"], replay: "new", ordering: "strict", concurrency: 1 } },
      resources: {
        kv: { orders: { purpose: "The orders", schema: { schema: "Order" }, history: 3, required: false } },
        store: { receipts: { purpose: "Receipts", maxObjectBytes: 5 } },
      },
    });
  });

  test("is what parsing makes of its JSON, normalized", () => {
    const parsed = parseManifest(JSON.stringify(orders.manifest));
    expect(parsed.ok && parsed.value.manifest).toEqual(orders.manifest);
    expect(normalizeManifest(orders.manifest)).toEqual(orders.manifest);
  });

  test("a contract read back from JSON is the same contract without classes", () => {
    const read = contractFromManifest(orders.manifest);
    expect(read.digest).toBe(orders.digest);
    expect(read.errors).toEqual({});
    expect(read.use({ rpc: { call: ["Orders.Get"] } }).contract).toBe(read);
  });

  test("a contract of a few words needs no schemas and no ref", () => {
    const contract = defineDeviceContract({ id: "lamp@v1", ...about });
    expect(Object.keys(contract.manifest).sort()).toEqual([
      "description",
      "displayName",
      "format",
      "id",
      "kind",
      "uses",
    ]);
  });

  test("kinds", () => {
    expect(defineContract({ kind: "cli", id: "tool@v1", ...about }).kind).toBe("agent");
    expect(defineContract({ kind: "app", id: "web@v1", ...about }).manifest.kind).toBe("app");
    expect(
      sentence(
        problemsOf(() => Reflect.apply(defineContract, undefined, [{ kind: "robot", id: "r@v1", ...about }])),
        "/kind",
      ),
    ).toContain("service, app, agent (or cli) or device");
  });
});

describe("uses", () => {
  const use = orders.use({ rpc: { call: ["Orders.Get"] }, events: { subscribe: ["Orders.Placed"] } });

  test("carry the contract behind each alias", () => {
    const shop = defineServiceContract({
      id: "shop@v1",
      ...about,
      uses: { required: { orders: use }, optional: { again: orders.use({ feeds: { subscribe: ["Orders.Live"] } }) } },
    });
    expect(shop.uses.orders).toEqual({
      id: "orders@v1",
      contract: orders,
      required: true,
      selection: { contract: "orders@v1", rpc: { call: ["Orders.Get"] }, events: { subscribe: ["Orders.Placed"] } },
    });
    expect(shop.uses.again?.required).toBe(false);
    expect(shop.uses.auth).toMatchObject({ id: "trellis.auth@v1", contract: undefined, required: true });
  });

  test("an alias under both counts as required", () => {
    const shop = defineServiceContract({
      id: "shop@v1",
      ...about,
      uses: { required: { orders: use }, optional: { orders: orders.use({ rpc: { call: ["Orders.List"] } }) } },
    });
    expect(shop.manifest.uses?.optional).toBeUndefined();
    expect(shop.uses.orders).toMatchObject({ required: true, selection: { rpc: { call: ["Orders.Get"] } } });
  });

  test("baseline uses follow the kind and are part of the digest", () => {
    const app = defineAppContract({ id: "web@v1", ...about });
    expect(app.manifest.uses).toEqual({
      required: {
        auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Sessions.Logout", "Auth.Sessions.Me"] } },
        core: { contract: "trellis.core@v1", rpc: { call: ["Trellis.Surface.Status"] } },
      },
    });
    const { uses: _, ...bare } = app.manifest;
    expect(contractFromManifest(bare).digest).not.toBe(app.digest);
    for (const contract of [
      defineAgentContract({ id: "x@v1", ...about }),
      defineDeviceContract({ id: "x@v1", ...about }),
    ])
      expect(contract.manifest.uses).toEqual(app.manifest.uses);
    expect(baselineUses("service").map(({ alias }) => alias)).toEqual(["auth", "health"]);
  });

  test("whoever declares state uses the platform's, in whatever alias", () => {
    const settings = { kind: "map", schema: { schema: "Order" }, stateVersion: "v2" } as const;
    const notes = defineAgentContract({ schemas: { Order, OrderId } }, (ref) => ({
      id: "notes@v1",
      ...about,
      state: {
        settings: {
          kind: "map",
          schema: ref.schema("Order"),
          stateVersion: "v2",
          acceptedVersions: { v1: ref.schema("OrderId") },
        },
      },
    }));
    expect(notes.manifest.state).toEqual({
      settings: { ...settings, acceptedVersions: { v1: { schema: "OrderId" } } },
    });
    const all = {
      contract: "trellis.state@v1",
      rpc: { call: ["State.Delete", "State.Get", "State.List", "State.Put"] },
      feeds: { subscribe: ["State.Watch"] },
    };
    expect(notes.manifest.uses?.required?.state).toEqual(all);
    const own = defineServiceContract({ schemas: { Order } }, (ref) => ({
      id: "trellis.state@v1",
      ...about,
      rpc: { "State.Overview": { version: "v1", input: ref.schema("Order"), output: ref.schema("Order") } },
    }));
    const merged = defineAppContract({ schemas: { Order } }, (ref) => ({
      id: "notes@v1",
      ...about,
      uses: { required: { mine: own.use({ rpc: { call: ["State.Overview"] } }) } },
      state: { settings: { kind: "value", schema: ref.schema("Order") } },
    }));
    expect(merged.manifest.uses?.required?.mine).toEqual({
      ...all,
      rpc: { call: ["State.Delete", "State.Get", "State.List", "State.Overview", "State.Put"] },
    });
    expect(baselineUses("device", "lamp@v1", { state: true })).toHaveLength(3);
    expect(baselineUses("service", "shop@v1", { state: true })).toEqual(baselineUses("service"));
  });

  test("a service can neither declare state nor use it", () => {
    const state = defineServiceContract({ schemas: { Order } }, (ref) => ({
      id: "trellis.state@v1",
      ...about,
      rpc: { "State.Get": { version: "v1", input: ref.schema("Order"), output: ref.schema("Order") } },
    }));
    const problems = problemsOf(() =>
      loose({ schemas: { Order } }, (ref) => ({
        id: "shop@v1",
        ...about,
        uses: { optional: { theirs: state.use({ rpc: { call: ["State.Get"] } }) } },
        state: { settings: { kind: "value", schema: ref.schema("Order") } },
      })),
    );
    expect(sentence(problems, "/state")).toContain("declare a bucket under resources.kv");
    expect(sentence(problems, "/uses/optional/theirs")).toContain("a service cannot use trellis.state@v1");
  });

  test("the platform's own contracts get no baseline uses", () => {
    expect(defineServiceContract({ id: "trellis.jobs@v1", ...about }).manifest.uses).toBeUndefined();
  });

  test("baseline uses merge with the author's alias of the same contract and step aside from another", () => {
    const auth = defineServiceContract({ schemas: { OrderId } }, (ref) => ({
      id: "trellis.auth@v1",
      ...about,
      rpc: {
        "Auth.Requests.Validate": { version: "v1", input: ref.schema("OrderId"), output: ref.schema("OrderId") },
        "Auth.Explain": { version: "v1", input: ref.schema("OrderId"), output: ref.schema("OrderId") },
      },
    }));
    const merged = defineServiceContract({
      id: "a@v1",
      ...about,
      uses: { required: { who: auth.use({ rpc: { call: ["Auth.Explain"] } }) } },
    });
    expect(Object.keys(merged.manifest.uses?.required ?? {}).sort()).toEqual(["health", "who"]);
    expect(merged.uses.who?.selection.rpc?.call).toEqual(["Auth.Explain", "Auth.Requests.Validate"]);
    const aside = defineServiceContract({ id: "a@v1", ...about, uses: { optional: { auth: use } } });
    expect(aside.uses.auth?.id).toBe("orders@v1");
    expect(aside.uses.trellisAuth?.id).toBe("trellis.auth@v1");
  });

  test("capabilities of contracts that are used may be required", () => {
    const shop = defineServiceContract({ schemas: { OrderId } }, (ref) => ({
      id: "shop@v1",
      ...about,
      uses: { required: { orders: use } },
      rpc: {
        "Shop.Buy": {
          version: "v1",
          input: ref.schema("OrderId"),
          output: ref.schema("OrderId"),
          capabilities: { call: ["orders::read"] },
        },
      },
    }));
    expect(shop.manifest.rpc?.["Shop.Buy"]?.capabilities?.call).toEqual(["orders::read"]);
  });
});

describe("problems", () => {
  test("come all at once, each with its place and a way out", () => {
    const problems = problemsOf(() =>
      loose({ schemas: { Order, OrderId }, errors: { OrderNotFound } }, (ref) => ({
        id: "shop@v1",
        ...about,
        colour: "red",
        capabilities: {
          read: { displayName: "Read", description: "Read." },
          admin: { displayName: "A", description: "A." },
        },
        exports: { schemas: ["Ordr"] },
        uses: {
          required: {
            orders: {
              contract: orders,
              selection: { rpc: { call: ["Orders.Gte"] }, events: { subscribe: ["Orders.Placed"] }, jobs: {} },
            },
          },
          billing: orders.use({}),
        },
        rpc: {
          "Shop.Buy": {
            version: "v1",
            input: ref.schema("Oder"),
            output: ref.schema("Order"),
            errors: [ref.error("OrderMissing")],
            capabilities: { call: ["raed"], observe: [] },
            timeout: 5,
          },
        },
        events: {
          "Shop.Bought": { version: "v1", event: ref.schema("Order"), params: ["/statsu", "/customer"] },
        },
        eventConsumers: {
          group: { uses: { order: ["Orders.Placed"], orders: ["Orders.Closed", "Orders.Gone"] }, self: ["Shop.Sold"] },
        },
        operations: {
          "Shop.Run": {
            version: "v1",
            input: ref.schema("Order"),
            output: ref.schema("Order"),
            transfer: { direction: "send", store: "recipts", key: "/id" },
          },
        },
        resources: {
          streams: { log: {} },
          store: { receipts: { purpose: "R" } },
          kv: { a: { purpose: "A", schema: { ref: "Order" } } },
        },
      })),
    );
    expect(sentence(problems, "/colour")).toContain("not a member of a contract");
    expect(sentence(problems, "/capabilities/admin")).toContain("reserved");
    expect(sentence(problems, "/exports/schemas/0")).toBe('there is no schema "Ordr" — did you mean "Order"?');
    expect(sentence(problems, "/uses/required/orders/rpc/call/0")).toBe(
      'orders@v1 has no RPC "Orders.Gte" — did you mean "Orders.Get"?',
    );
    expect(sentence(problems, "/uses/required/orders/jobs")).toContain('"jobs" is not a member of a selection');
    expect(sentence(problems, "/uses/billing")).toContain("uses: { required: { billing: … } }");
    expect(sentence(problems, "/rpc/Shop.Buy/input")).toBe('there is no schema "Oder" — did you mean "Order"?');
    expect(sentence(problems, "/rpc/Shop.Buy/errors/0")).toContain('there is no error "OrderMissing"');
    expect(sentence(problems, "/rpc/Shop.Buy/capabilities/call/0")).toBe(
      'there is no capability "raed" — did you mean "read"?',
    );
    expect(sentence(problems, "/rpc/Shop.Buy/capabilities/observe")).toContain("not a member");
    expect(sentence(problems, "/rpc/Shop.Buy/timeout")).toContain("not a member of an RPC");
    expect(sentence(problems, "/events/Shop.Bought/params/0")).toContain('did you mean "/status"?');
    expect(sentence(problems, "/events/Shop.Bought/params/1")).toContain("does not lead to a plain value");
    expect(sentence(problems, "/eventConsumers/group/uses/order")).toContain('did you mean "orders"?');
    expect(sentence(problems, "/eventConsumers/group/uses/orders/0")).toContain(
      'orders.use({ events: { subscribe: ["Orders.Closed"] } })',
    );
    expect(sentence(problems, "/eventConsumers/group/uses/orders/1")).toContain('"Orders.Gone"');
    expect(sentence(problems, "/eventConsumers/group/self/0")).toContain('"Shop.Sold"');
    expect(sentence(problems, "/operations/Shop.Run/transfer/store")).toContain('did you mean "receipts"?');
    expect(sentence(problems, "/resources/streams")).toContain("declare events");
    expect(sentence(problems, "/resources/kv/a/schema")).toContain('write ref.schema("Name")');
    expect(problems).toHaveLength(20);
  });

  test("of the manifest itself come with those of names", () => {
    const problems = problemsOf(() =>
      loose({ schemas: { OrderId } }, (ref) => ({
        id: "Shop",
        displayName: 1,
        description: "d",
        rpc: { "shop.buy": { version: "one", input: ref.schema("OrderIdd"), output: ref.schema("OrderId") } },
      })),
    );
    expect(problems.map(({ path }) => path).sort()).toEqual(
      ["/displayName", "/id", "/rpc/shop.buy", "/rpc/shop.buy/input", "/rpc/shop.buy/version"].sort(),
    );
  });

  test("read as one message", () => {
    expect(() =>
      loose({ schemas: { Order } }, (ref) => ({
        id: "shop@v1",
        ...about,
        resources: { kv: { a: { purpose: "A", schema: ref.schema("Oder") } } },
      })),
    ).toThrow(
      'The contract shop@v1 has a problem:\n  /resources/kv/a/schema: there is no schema "Oder" — did you mean "Order"?',
    );
  });

  test("two aliases that give the same name", () => {
    const other = contractFromManifest({ ...orders.manifest, id: "orders@v2", capabilities: {} });
    const problems = problemsOf(() =>
      defineAppContract({
        id: "web@v1",
        ...about,
        uses: {
          required: { a: orders.use({ rpc: { call: ["Orders.Get"] } }) },
          optional: { b: other.use({ rpc: { call: ["Orders.Get"] } }) },
        },
      }),
    );
    expect(problems).toHaveLength(1);
    expect(sentence(problems, "/uses/optional/b/rpc/call")).toContain('the aliases "a" and "b" both give Orders.Get');
  });

  test("two names that are one in code", () => {
    const problems = problemsOf(() =>
      loose({ schemas: { OrderId } }, (ref) => {
        const rpc = { version: "v1", input: ref.schema("OrderId"), output: ref.schema("OrderId") };
        return { id: "x@v1", ...about, rpc: { "X.A.B": rpc, "X.AB": rpc } };
      }),
    );
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain("x.aB in code");
  });

  test("a schema may stand in for the fields of an error only when it is the same", () => {
    const Wide = defineError({
      type: "Wide",
      fields: { first: Type.String({ description: "x".repeat(200) }), second: Type.String() },
      message: "Wide",
    });
    const same = {
      type: "object",
      properties: { first: Type.String({ description: "x".repeat(200) }), second: Type.String() },
      required: ["first", "second"],
    };
    const other = { ...same, required: ["first"] };
    const contract = defineServiceContract({ schemas: { WideFields: same }, errors: { Wide } }, () => ({
      id: "x@v1",
      ...about,
    }));
    expect(contract.manifest.errors?.Wide?.schema).toEqual({ schema: "WideFields" });
    const problems = problemsOf(() =>
      loose({ schemas: { WideFields: other }, errors: { Wide } }, () => ({ id: "x@v1", ...about })),
    );
    expect(problems.map(({ path }) => path)).toEqual(["/schemas/WideFields"]);
  });

  test("an error under another name, and a schema that takes the name of its fields", () => {
    const problems = problemsOf(() =>
      loose(
        { schemas: { OrderNotFoundFields: Order }, errors: { OrderNotFound, Missing: OrderNotFound, Odd: {} } },
        () => ({ id: "x@v1", ...about }),
      ),
    );
    expect(sentence(problems, "/errors/Missing")).toContain("errors: { OrderNotFound: … }");
    expect(sentence(problems, "/errors/Odd")).toContain("defineError");
    expect(sentence(problems, "/schemas/OrderNotFoundFields")).toContain("rename this schema");
  });
});

describe("schemas of other libraries", () => {
  test("become self-contained JSON Schema 2019-09", () => {
    const mixed = defineServiceContract(
      {
        schemas: {
          Zod: z.object({ a: z.string().optional(), pair: z.tuple([z.string(), z.int()]) }),
          Ark: type({ a: "string", "b?": "number" }),
          Plain: { type: "object", properties: { $schema: { type: "string" } } },
        },
      },
      (ref) => ({
        id: "mixed@v1",
        ...about,
        rpc: { "Mixed.Do": { version: "v1", input: ref.schema("Zod"), output: ref.schema("Ark") } },
        events: { "Mixed.Done": { version: "v1", event: ref.schema("Plain") } },
      }),
    );
    expect(JSON.stringify(mixed.manifest.schemas?.Zod)).not.toContain("$schema");
    expect(mixed.manifest.schemas?.Ark).toEqual({
      type: "object",
      properties: { a: { type: "string" }, b: { type: "number" } },
      required: ["a"],
    });
    expect(mixed.manifest.schemas?.Plain).toEqual({ type: "object", properties: { $schema: { type: "string" } } });
    const zod = compileSchema(mixed.manifest.schemas?.Zod ?? false);
    expect(zod.check({ pair: ["x", 1] })).toBe(true);
    expect(zod.check({ pair: [1, "x"] })).toBe(false);
  });

  test("references are written out", () => {
    const Shared = z.object({ id: z.string() }).meta({ id: "Shared" });
    const contract = defineServiceContract({ schemas: { Both: z.object({ a: Shared, b: Shared }) } }, (ref) => ({
      id: "x@v1",
      ...about,
      events: { "X.A": { version: "v1", event: ref.schema("Both"), params: ["/a/id"] } },
    }));
    const id = { type: "object", properties: { id: { type: "string" } }, required: ["id"] };
    expect(contract.manifest.schemas?.Both).toMatchObject({ properties: { a: id, b: id } });
    expect(JSON.stringify(contract.manifest)).not.toMatch(/\$ref|\$defs|definitions/);
  });

  test("Valibot schemas come through its JSON Schema package", () => {
    const Order = toStandardJsonSchema(v.object({ id: v.string(), count: v.optional(v.number()) }));
    const contract = defineServiceContract({ schemas: { Order } }, (ref) => ({
      id: "valibot@v1",
      ...about,
      rpc: { "Valibot.Echo": { version: "v1", input: ref.schema("Order"), output: ref.schema("Order") } },
    }));
    const check = compileSchema(contract.manifest.schemas?.["Order"] ?? false);
    expect(check.check({ id: "o_1" })).toBe(true);
    expect(check.check({ id: 1 })).toBe(false);
  });

  test("what JSON Schema cannot say is one readable problem each", () => {
    const Tree = z.object({
      name: z.string(),
      get children() {
        return z.array(Tree);
      },
    });
    const problems = problemsOf(() =>
      loose(
        { schemas: { Tree, When: z.date(), Bare: v.object({ a: v.string() }), Text: "string", Ark: type("Date") } },
        () => ({ id: "x@v1", ...about }),
      ),
    );
    expect(sentence(problems, "/schemas/Tree")).toContain("refers to itself");
    expect(sentence(problems, "/schemas/When")).toContain("zod cannot write this schema");
    expect(sentence(problems, "/schemas/Bare")).toContain("toStandardJsonSchema(schema) from @valibot/to-json-schema");
    expect(sentence(problems, "/schemas/Text")).toContain("not a schema");
  });
});
