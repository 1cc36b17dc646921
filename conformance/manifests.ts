import type { Json, JsonSchema } from "@trellis/contracts";

/** Manifests that the digest and permission vectors are about. */
type Members = { readonly [member: string]: Json };

const object = (properties: { readonly [name: string]: JsonSchema }, required: readonly string[] = []): JsonSchema => ({
  type: "object",
  properties,
  ...(required.length > 0 ? { required } : {}),
});
const text: JsonSchema = { type: "string" };

/** The worked example of protocol §2, with everything its digest must not depend on. */
export const WORKED_EXAMPLE: Members = {
  format: "trellis.contract.v1",
  id: "conformance.capabilities@v1",
  displayName: "Any name",
  description: "Any words.",
  kind: "service",
  capabilities: { "conformance.capabilities::read": { displayName: "Read", description: "Read records." } },
  schemas: {
    Input: { type: "object", properties: {} },
    Output: { type: "object", properties: { value: { type: "string" } }, required: ["value"] },
    Unused: { type: "string" },
  },
  exports: { schemas: ["Output"] },
  rpc: {
    "Conformance.Read": {
      version: "v1",
      subject: "rpc.v1.Conformance.Read",
      input: { schema: "Input" },
      output: { schema: "Output" },
      capabilities: { call: ["conformance.capabilities::read"] },
    },
  },
  unknown: { member: true },
};

/** A service that owns some of every surface. */
export const ORDERS: Members = {
  format: "trellis.contract.v1",
  id: "orders@v1",
  displayName: "Orders",
  description: "Takes orders.",
  kind: "service",
  docs: { summary: "Orders", markdown: "# Orders" },
  capabilities: {
    "orders::read": { displayName: "Read orders", description: "See every order." },
    "orders::write": { displayName: "Write orders", description: "Place orders.", consequence: "Orders cost money." },
  },
  schemas: {
    Empty: object({}),
    Order: object({ id: text, status: text }, ["id", "status"]),
    OrderRef: object({ id: text }, ["id"]),
    Problem: object({ orderId: text }, ["orderId"]),
    Unused: text,
  },
  exports: { schemas: ["Order"] },
  errors: { OrderNotFound: { type: "OrderNotFound", schema: { schema: "Problem" } }, Unused: { type: "Unused" } },
  rpc: {
    "Orders.Get": {
      version: "v1",
      subject: "rpc.v1.Orders.Get",
      input: { schema: "OrderRef" },
      output: { schema: "Order" },
      capabilities: { call: ["orders::read"] },
      errors: [{ type: "OrderNotFound" }],
      docs: { summary: "One order." },
    },
    "Orders.Ping": {
      version: "v1",
      subject: "rpc.v1.Orders.Ping",
      input: { schema: "Empty" },
      output: { schema: "Empty" },
      capabilities: { call: [] },
    },
  },
  operations: {
    "Orders.Import": {
      version: "v1",
      subject: "operations.v1.Orders.Import",
      input: { schema: "Empty" },
      progress: { schema: "OrderRef" },
      output: { schema: "Empty" },
      capabilities: { call: ["orders::write"], observe: ["orders::read"], cancel: ["orders::write"] },
      signals: { Pause: { input: { schema: "Empty" } } },
      cancel: true,
    },
  },
  events: {
    "Orders.Placed": {
      version: "v1",
      subject: "events.v1.Orders.Placed.{/status}",
      params: ["/status"],
      event: { schema: "Order" },
      capabilities: { publish: ["service"], subscribe: ["orders::read"] },
    },
  },
  feeds: {
    "Orders.Live": {
      version: "v1",
      subject: "feeds.v1.Orders.Live",
      input: { schema: "Empty" },
      event: { schema: "Order" },
      capabilities: { subscribe: ["orders::read"] },
    },
  },
  jobs: { mail: { payload: { schema: "OrderRef" }, maxDeliver: 3, backoffMs: [5_000, 1_000, 5_000] } },
  eventConsumers: { audit: { self: ["Orders.Placed"] } },
  resources: {
    kv: { orders: { purpose: "The orders.", schema: { schema: "Order" }, history: 2 } },
    store: { invoices: { purpose: "Invoices as PDF." } },
  },
};

/** An app that uses the orders service, part of it optionally. */
export const SHOP: Members = {
  format: "trellis.contract.v1",
  id: "shop@v1",
  displayName: "Shop",
  description: "Sells.",
  kind: "app",
  uses: {
    required: {
      orders: {
        contract: "orders@v1",
        rpc: { call: ["Orders.Ping", "Orders.Get", "Orders.Get"] },
        operations: { call: ["Orders.Import"] },
        feeds: { subscribe: ["Orders.Live"] },
      },
    },
    optional: { news: { contract: "orders@v1", events: { subscribe: ["Orders.Placed"] } } },
  },
};
