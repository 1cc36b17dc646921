import { type } from "arktype";
import { Type } from "typebox";
import type { Static } from "typebox";
import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  contractFromManifest,
  defineAgentContract,
  defineAppContract,
  defineContract,
  defineDeviceContract,
  defineError,
  defineServiceContract,
} from "./index.ts";
import type {
  AnyContract,
  CallableOperations,
  CallableRpc,
  Contract,
  ContractShape,
  ErrorOf,
  EventConsumersOf,
  EventsOf,
  IfRequired,
  JobsOf,
  KvOf,
  ListenableEvents,
  Manifest,
  Nested,
  OperationsOf,
  PublishableEvents,
  ReadableFeeds,
  RpcOf,
  StateOf,
  StoreOf,
} from "./index.ts";

const Order = Type.Object({
  id: Type.String(),
  status: Type.String(),
  note: Type.Optional(Type.String()),
  lines: Type.Array(Type.Object({ sku: Type.String() })),
  customer: Type.Object({ id: Type.String() }),
});
const OrderId = Type.Object({ id: Type.String() });
const Progress = Type.Object({ percent: Type.Number() });
type Order = Static<typeof Order>;

const OrderNotFound = defineError({
  type: "OrderNotFound",
  fields: { id: Type.String() },
  message: ({ id }) => `No order ${id}`,
});
const OrderClosed = defineError({
  type: "OrderClosed",
  fields: { id: Type.String(), since: Type.Optional(Type.Number()) },
  message: "The order is closed",
});

const schemas = { Order, OrderId, Progress };
const about = { displayName: "Orders", description: "Take and track orders." };

const orders = defineServiceContract({ schemas, errors: { OrderNotFound, OrderClosed } }, (ref) => ({
  id: "orders@v1",
  ...about,
  docs: { summary: "Orders", markdown: "# Orders" },
  capabilities: {
    read: { displayName: "Read orders", description: "See any order." },
    write: { displayName: "Write", description: "Change.", consequence: "Money moves." },
  },
  exports: { schemas: ["Order"] },
  rpc: {
    "Orders.Get": {
      version: "v1",
      input: ref.schema("OrderId"),
      output: ref.schema("Order"),
      errors: [ref.error("OrderNotFound"), ref.error("OrderClosed")],
      capabilities: { call: ["read"] },
    },
    "Orders.Line.Count": {
      version: "v1",
      input: ref.schema("OrderId"),
      output: ref.schema("Progress"),
      capabilities: { call: ["orders::read", "service"] },
      transfer: { direction: "receive" },
      once: true,
    },
  },
  operations: {
    "Orders.Refund": {
      version: "v1",
      input: ref.schema("OrderId"),
      progress: ref.schema("Progress"),
      output: ref.schema("Order"),
      signals: { hurry: { input: ref.schema("Progress") } },
      cancel: true,
      capabilities: { call: ["write"], observe: [], control: ["admin"] },
      transfer: { direction: "send", store: "receipts", key: "/id" },
    },
    "Orders.Import": { version: "v1", input: ref.schema("OrderId"), output: ref.schema("Order") },
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
    mail: { payload: ref.schema("Order"), result: ref.schema("OrderId"), concurrency: 4 },
    sweep: { payload: ref.schema("OrderId") },
  },
  eventConsumers: { audit: { self: ["Orders.Placed"], replay: "all" } },
  resources: {
    kv: {
      orders: { purpose: "The orders", schema: ref.schema("Order") },
      cache: { purpose: "Speed", schema: ref.schema("Order"), required: false },
    },
    store: { receipts: { purpose: "Receipts" }, scans: { purpose: "Scans", required: false } },
  },
}));

const billing = defineServiceContract({ schemas: { Progress } }, (ref) => ({
  id: "billing@v1",
  displayName: "Billing",
  description: "Bills.",
  capabilities: { pay: { displayName: "Pay", description: "Pay." } },
  rpc: {
    "Billing.Pay": {
      version: "v1",
      input: ref.schema("Progress"),
      output: ref.schema("Progress"),
      capabilities: { call: ["pay"] },
    },
  },
}));

const notes = defineAgentContract({ schemas: { Progress, OrderId } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Takes notes.",
  state: {
    settings: {
      kind: "value",
      schema: ref.schema("Progress"),
      stateVersion: "v2",
      acceptedVersions: { v1: ref.schema("OrderId") },
    },
  },
}));

const shop = defineServiceContract({ schemas: { Progress } }, (ref) => ({
  id: "shop@v1",
  displayName: "Shop",
  description: "Sells.",
  uses: {
    required: {
      orders: orders.use({
        rpc: { call: ["Orders.Get"] },
        operations: { call: ["Orders.Refund"] },
        events: { publish: ["Orders.Closed"], subscribe: ["Orders.Placed"] },
        feeds: { subscribe: ["Orders.Live"] },
      }),
    },
    optional: { billing: billing.use({ rpc: { call: ["Billing.Pay"] } }) },
  },
  events: { "Shop.Opened": { version: "v1", event: ref.schema("Progress") } },
  eventConsumers: { mirror: { uses: { orders: ["Orders.Placed"] }, self: ["Shop.Opened"] } },
  rpc: {
    "Shop.Buy": {
      version: "v1",
      input: ref.schema("Progress"),
      output: ref.schema("Progress"),
      capabilities: { call: ["orders::write", "billing::pay"] },
    },
  },
}));

describe("what a contract says in types", () => {
  test("own surfaces", () => {
    type Get = RpcOf<typeof orders>["Orders.Get"];
    expectTypeOf<Get["input"]>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<Get["output"]>().toEqualTypeOf<Order>();
    expectTypeOf<ErrorOf<Get>>().toEqualTypeOf<InstanceType<typeof OrderNotFound> | InstanceType<typeof OrderClosed>>();
    expectTypeOf<ErrorOf<RpcOf<typeof orders>["Orders.Line.Count"]>>().toEqualTypeOf<never>();
    expectTypeOf<RpcOf<typeof orders>["Orders.Line.Count"]["transfer"]>().toEqualTypeOf<true>();

    type Refund = OperationsOf<typeof orders>["Orders.Refund"];
    expectTypeOf<Refund["progress"]>().toEqualTypeOf<{ percent: number }>();
    expectTypeOf<Refund["signals"]["hurry"]>().toEqualTypeOf<{ percent: number }>();
    expectTypeOf<Refund["cancel"]>().toEqualTypeOf<true>();
    expectTypeOf<Refund["transfer"]>().toEqualTypeOf<true>();
    type Import = OperationsOf<typeof orders>["Orders.Import"];
    expectTypeOf<Import["progress"]>().toEqualTypeOf<undefined>();
    expectTypeOf<keyof Import["signals"]>().toEqualTypeOf<never>();
    expectTypeOf<Import["cancel"]>().toEqualTypeOf<false>();

    expectTypeOf<EventsOf<typeof orders>["Orders.Placed"]["event"]>().toEqualTypeOf<Order>();
    expectTypeOf<JobsOf<typeof orders>["mail"]["result"]>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<JobsOf<typeof orders>["sweep"]["result"]>().toEqualTypeOf<undefined>();
    expectTypeOf<StateOf<typeof notes>["settings"]>().toEqualTypeOf<{
      readonly kind: "value";
      readonly value: { percent: number };
      readonly accepted: { readonly v1: { id: string } };
    }>();
    expectTypeOf<keyof RpcOf<typeof shop>>().toEqualTypeOf<"Shop.Buy">();
  });

  test("resources that may be missing are possibly undefined", () => {
    type Kv = KvOf<typeof orders>;
    expectTypeOf<IfRequired<Kv["orders"], Kv["orders"]["value"]>>().toEqualTypeOf<Order>();
    expectTypeOf<IfRequired<Kv["cache"], Kv["cache"]["value"]>>().toEqualTypeOf<Order | undefined>();
    expectTypeOf<IfRequired<StoreOf<typeof orders>["receipts"], 1>>().toEqualTypeOf<1>();
    expectTypeOf<IfRequired<StoreOf<typeof orders>["scans"], 1>>().toEqualTypeOf<1 | undefined>();
  });

  test("a user sees what it selected, required and optional", () => {
    type Calls = CallableRpc<typeof shop>;
    expectTypeOf<keyof Calls>().toEqualTypeOf<"Orders.Get" | "Billing.Pay">();
    expectTypeOf<Calls["Orders.Get"]["output"]>().toEqualTypeOf<Order>();
    expectTypeOf<ErrorOf<Calls["Orders.Get"]>["type"]>().toEqualTypeOf<"OrderNotFound" | "OrderClosed">();
    expectTypeOf<keyof CallableOperations<typeof shop>>().toEqualTypeOf<"Orders.Refund">();
    expectTypeOf<keyof PublishableEvents<typeof shop>>().toEqualTypeOf<"Shop.Opened" | "Orders.Closed">();
    expectTypeOf<PublishableEvents<typeof shop>["Orders.Closed"]["event"]>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<keyof ListenableEvents<typeof shop>>().toEqualTypeOf<"Orders.Placed">();
    expectTypeOf<ReadableFeeds<typeof shop>["Orders.Live"]["event"]>().toEqualTypeOf<Order>();
    expectTypeOf<EventConsumersOf<typeof shop>["mirror"]>().toEqualTypeOf<{
      readonly "Orders.Placed": Order;
      readonly "Shop.Opened": { percent: number };
    }>();
    expectTypeOf<keyof CallableRpc<typeof orders>>().toEqualTypeOf<never>();
  });

  test("groups and leaves", () => {
    type Rpc = Nested<RpcOf<typeof orders>>;
    expectTypeOf<keyof Rpc>().toEqualTypeOf<"orders">();
    expectTypeOf<keyof Rpc["orders"]>().toEqualTypeOf<"get" | "lineCount">();
    expectTypeOf<Rpc["orders"]["get"]["output"]>().toEqualTypeOf<Order>();
    type Calls = Nested<CallableRpc<typeof shop>>;
    expectTypeOf<keyof Calls>().toEqualTypeOf<"orders" | "billing">();
    expectTypeOf<keyof Calls["billing"]>().toEqualTypeOf<"pay">();
    type Status = Nested<{ "Trellis.Surface.Status": 1; "Trellis.Catalog": 2 }>;
    expectTypeOf<Status>().toEqualTypeOf<{ readonly trellis: { readonly surfaceStatus: 1; readonly catalog: 2 } }>();
  });

  test("ids and kinds are literal", () => {
    expectTypeOf(orders.id).toEqualTypeOf<"orders@v1">();
    expectTypeOf(orders.kind).toEqualTypeOf<"service">();
    expectTypeOf(defineAgentContract({ id: "cli@v1", ...about }).kind).toEqualTypeOf<"agent">();
    expectTypeOf(defineDeviceContract({ id: "lamp@v1", ...about }).kind).toEqualTypeOf<"device">();
    expectTypeOf(defineContract({ kind: "cli", id: "cli@v1", ...about }).kind).toEqualTypeOf<"agent">();
    expectTypeOf(
      defineContract({ schemas }, (ref) => ({
        kind: "service",
        id: "x@v1",
        ...about,
        feeds: { "X.Live": { version: "v1", input: ref.schema("OrderId"), event: ref.schema("Order") } },
      })).kind,
    ).toEqualTypeOf<"service">();
  });

  test("a service has no state", () => {
    const state = { settings: { kind: "value", schema: { schema: "Progress" } } } as const;
    const service = (): unknown =>
      // @ts-expect-error state is for apps, agents and devices
      defineServiceContract({ schemas: { Progress } }, () => ({ id: "x@v1", ...about, state }));
    const device = (): unknown =>
      defineDeviceContract({ schemas: { Progress } }, () => ({ id: "x@v1", ...about, state }));
    expectTypeOf(service).toEqualTypeOf(device);
  });

  test("a contract from JSON is wide", () => {
    const manifest: Manifest = orders.manifest;
    const wide = contractFromManifest(manifest);
    expectTypeOf(wide).toEqualTypeOf<Contract<ContractShape>>();
    expectTypeOf<keyof CallableRpc<typeof wide>>().toEqualTypeOf<string>();
    expectTypeOf<RpcOf<typeof wide>[string]["input"]>().toEqualTypeOf<unknown>();
    const agent = defineAgentContract({
      id: "any@v1",
      ...about,
      uses: { required: { other: wide.use({ rpc: { call: ["What.Ever"] } }) } },
    });
    expectTypeOf<CallableRpc<typeof agent>["What.Ever"]["output"]>().toEqualTypeOf<unknown>();
  });

  test("every contract is assignable to the wide ones", () => {
    expectTypeOf(orders).toExtend<AnyContract>();
    expectTypeOf(shop).toExtend<AnyContract>();
    const list: readonly AnyContract[] = [orders, billing, shop, contractFromManifest(orders.manifest)];
    expectTypeOf(list).toExtend<readonly AnyContract[]>();
  });
});

describe("schemas of other libraries", () => {
  test("types follow the library", () => {
    const mixed = defineServiceContract(
      {
        schemas: {
          Zod: z.object({ a: z.string().optional(), n: z.int() }),
          Ark: type({ a: "string", "b?": "number" }),
          Plain: Type.Object({ c: Type.Boolean() }),
        },
      },
      (ref) => ({
        id: "mixed@v1",
        ...about,
        rpc: { "Mixed.Do": { version: "v1", input: ref.schema("Zod"), output: ref.schema("Ark") } },
        events: { "Mixed.Done": { version: "v1", event: ref.schema("Zod"), params: ["/n"] } },
      }),
    );
    expectTypeOf<RpcOf<typeof mixed>["Mixed.Do"]["input"]>().toEqualTypeOf<{ a?: string | undefined; n: number }>();
    expectTypeOf<RpcOf<typeof mixed>["Mixed.Do"]["output"]>().toEqualTypeOf<{ a: string; b?: number }>();
  });

  test("a library that cannot write JSON Schema is refused", () => {
    // @ts-expect-error Valibot needs toStandardJsonSchema from @valibot/to-json-schema
    defineServiceContract({ schemas: { Bare: v.object({ a: v.string() }) } }, () => ({ id: "bare@v1", ...about }));
  });
});

describe("errors", () => {
  test("fields are typed", () => {
    const missing = new OrderNotFound({ id: "o_1" });
    expectTypeOf(missing.id).toEqualTypeOf<string>();
    expectTypeOf(missing.type).toEqualTypeOf<"OrderNotFound">();
    expectTypeOf(missing.fields).toEqualTypeOf<{ readonly id: string }>();
    expectTypeOf(new OrderClosed({ id: "o_1" }).since).toEqualTypeOf<number | undefined>();
    expectTypeOf(OrderNotFound.fromWire({})).toEqualTypeOf<InstanceType<typeof OrderNotFound> | undefined>();
    // @ts-expect-error a field of another type
    void new OrderNotFound({ id: 1 });
    // @ts-expect-error a field that is missing
    void new OrderNotFound({});
    // @ts-expect-error a field that does not exist
    void new OrderNotFound({ id: "o_1", extra: 1 });
    const Plain = defineError({ type: "Plain", message: "It went wrong" });
    void new Plain();
    // @ts-expect-error fields the message does not have
    defineError({ type: "Bad", fields: { id: Type.String() }, message: ({ other }) => `${other}` });
  });

  test("an error stands under its own type", () => {
    // @ts-expect-error the key is not the error's type
    defineServiceContract({ errors: { Missing: OrderNotFound } }, () => ({ id: "x@v1", ...about }));
  });
});

describe("what is refused", () => {
  test("unknown schemas and errors", () => {
    defineServiceContract({ schemas, errors: { OrderNotFound } }, (ref) => {
      // @ts-expect-error no such schema
      ref.schema("Oder");
      // @ts-expect-error no such error
      ref.error("OrderMissing");
      return { id: "x@v1", ...about };
    });
    defineServiceContract({ schemas }, () => ({
      id: "x@v1",
      ...about,
      // @ts-expect-error no such schema, without ref
      rpc: { "X.Get": { version: "v1", input: { schema: "Oder" }, output: { schema: "Order" } } },
    }));
    defineServiceContract({
      id: "x@v1",
      ...about,
      // @ts-expect-error this form has no schemas
      rpc: { "X.Get": { version: "v1", input: { schema: "Order" }, output: { schema: "Order" } } },
    });
    // @ts-expect-error no such schema to export
    defineServiceContract({ schemas }, () => ({ id: "x@v1", ...about, exports: { schemas: ["Oder"] } }));
  });

  test("pointers that lead nowhere", () => {
    defineServiceContract({ schemas }, (ref) => ({
      id: "x@v1",
      ...about,
      events: {
        // @ts-expect-error no such member
        "X.A": { version: "v1", event: ref.schema("Order"), params: ["/state"] },
        // @ts-expect-error no such nested member
        "X.B": { version: "v1", event: ref.schema("Order"), params: ["/customer/name"] },
        // @ts-expect-error an object does not fit into a subject
        "X.C": { version: "v1", event: ref.schema("Order"), params: ["/customer"] },
        // @ts-expect-error not a pointer
        "X.D": { version: "v1", event: ref.schema("Order"), params: ["status"] },
        // @ts-expect-error lists have no fixed members
        "X.E": { version: "v1", event: ref.schema("Order"), params: ["/lines/0/sku"] },
      },
    }));
  });

  test("capabilities nobody declared", () => {
    const capabilities = { read: { displayName: "Read", description: "Read." } };
    defineServiceContract({ schemas }, (ref) => ({
      id: "x@v1",
      ...about,
      capabilities,
      rpc: {
        "X.A": {
          version: "v1",
          input: ref.schema("Order"),
          output: ref.schema("Order"),
          capabilities: { call: ["read", "service", "admin", "x::read"] },
        },
        "X.B": {
          version: "v1",
          input: ref.schema("Order"),
          output: ref.schema("Order"),
          // @ts-expect-error mistyped
          capabilities: { call: ["raed"] },
        },
        "X.C": {
          version: "v1",
          input: ref.schema("Order"),
          output: ref.schema("Order"),
          // @ts-expect-error of a contract that is not used
          capabilities: { call: ["orders::read"] },
        },
        "X.D": {
          version: "v1",
          input: ref.schema("Order"),
          output: ref.schema("Order"),
          // @ts-expect-error RPCs have no such action
          capabilities: { observe: ["read"] },
        },
      },
      feeds: {
        "X.Live": {
          version: "v1",
          input: ref.schema("Order"),
          event: ref.schema("Order"),
          // @ts-expect-error mistyped
          capabilities: { subscribe: ["raed"] },
        },
      },
      operations: {
        "X.Run": {
          version: "v1",
          input: ref.schema("Order"),
          output: ref.schema("Order"),
          // @ts-expect-error mistyped
          capabilities: { observe: ["raed"] },
        },
      },
    }));
  });

  test("selections that do not exist", () => {
    // @ts-expect-error no such RPC
    orders.use({ rpc: { call: ["Orders.Gte"] } });
    // @ts-expect-error an event is not an RPC
    orders.use({ rpc: { call: ["Orders.Placed"] } });
    // @ts-expect-error no such operation
    orders.use({ operations: { call: ["Orders.Get"] } });
    // @ts-expect-error no such event
    orders.use({ events: { subscribe: ["Orders.Gone"] } });
    // @ts-expect-error no such feed
    orders.use({ feeds: { subscribe: ["Orders.Placed"] } });
    // @ts-expect-error no such surface
    orders.use({ jobs: { call: ["mail"] } });
    // @ts-expect-error no such action
    orders.use({ rpc: { call: ["Orders.Get"], listen: ["Orders.Get"] } });
  });

  test("uses that are neither required nor optional", () => {
    defineAppContract({
      id: "x@v1",
      ...about,
      // @ts-expect-error flat uses
      uses: { orders: orders.use({ rpc: { call: ["Orders.Get"] } }) },
    });
    // @ts-expect-error not a use
    defineAppContract({ id: "x@v1", ...about, uses: { required: { orders: { contract: "orders@v1" } } } });
  });

  test("event consumers of what is not there", () => {
    const use = orders.use({ events: { subscribe: ["Orders.Placed"] } });
    const common = { ...about, uses: { required: { orders: use } } };
    defineServiceContract({ id: "x@v1", ...common, eventConsumers: { a: { uses: { orders: ["Orders.Placed"] } } } });
    // @ts-expect-error the alias does not subscribe to it
    defineServiceContract({ id: "x@v1", ...common, eventConsumers: { a: { uses: { orders: ["Orders.Closed"] } } } });
    // @ts-expect-error no such alias
    defineServiceContract({ id: "x@v1", ...common, eventConsumers: { a: { uses: { order: ["Orders.Placed"] } } } });
    // @ts-expect-error no such own event
    defineServiceContract({ id: "x@v1", ...common, eventConsumers: { a: { self: ["X.Gone"] } } });
  });

  test("members nobody knows", () => {
    // @ts-expect-error mistyped member of the contract
    defineServiceContract({ id: "x@v1", ...about, capabilites: {} });
    defineServiceContract({ schemas }, (ref) => ({
      id: "x@v1",
      ...about,
      // @ts-expect-error mistyped member of an RPC
      rpc: { "X.A": { version: "v1", input: ref.schema("Order"), output: ref.schema("Order"), error: [] } },
    }));
    // @ts-expect-error streams are not a resource
    defineServiceContract({ id: "x@v1", ...about, resources: { streams: { a: {} } } });
    // @ts-expect-error the definition says no kind here
    defineServiceContract({ id: "x@v1", kind: "service", ...about });
    // @ts-expect-error the kind is missing
    defineContract({ id: "x@v1", ...about });
    // @ts-expect-error no such kind
    defineContract({ id: "x@v1", kind: "robot", ...about });
  });

  test("a transfer into a store that is not declared", () => {
    defineServiceContract({ schemas }, (ref) => ({
      id: "x@v1",
      ...about,
      resources: { store: { scans: { purpose: "Scans" } } },
      operations: {
        "X.Ok": {
          version: "v1",
          input: ref.schema("OrderId"),
          output: ref.schema("Order"),
          transfer: { direction: "send", store: "scans", key: "/id" },
        },
        "X.Bad": {
          version: "v1",
          input: ref.schema("OrderId"),
          output: ref.schema("Order"),
          // @ts-expect-error no such store
          transfer: { direction: "send", store: "scan", key: "/id" },
        },
      },
    }));
  });
});
