import { Type } from "typebox";
import { describe, expectTypeOf, test } from "vitest";
import { defineAgentContract, defineAppContract, defineContract, defineError, defineServiceContract } from "./index.ts";
import type { CallableRpc, ErrorOf, KvOf, Nested, RpcOf } from "./index.ts";

const Order = Type.Object({ id: Type.String(), status: Type.String() });
const OrderId = Type.Object({ id: Type.String() });
export const OrderNotFound = defineError({ type: "OrderNotFound", fields: { id: Type.String() }, message: ({ id }) => `No order ${id}` });

const orders = defineServiceContract({ schemas: { Order, OrderId }, errors: { OrderNotFound } }, (ref) => ({
  id: "orders@v1",
  displayName: "Orders",
  description: "Take and track orders.",
  capabilities: { read: { displayName: "Read orders", description: "See any order." } },
  rpc: {
    "Orders.Get": { version: "v1", input: ref.schema("OrderId"), output: ref.schema("Order"), errors: [ref.error("OrderNotFound")], capabilities: { call: ["read"] } },
  },
  events: { "Orders.Placed": { version: "v1", event: ref.schema("Order"), params: ["/status"] } },
  resources: { kv: { orders: { purpose: "The orders", schema: ref.schema("Order") } } },
}));

const dashboard = defineAppContract({
  id: "dashboard@v1",
  displayName: "Dashboard",
  description: "Looks at orders.",
  uses: { required: { orders: orders.use({ rpc: { call: ["Orders.Get"] } }) } },
});

describe("what is accepted", () => {
  test("types follow the schemas", () => {
    type Get = RpcOf<typeof orders>["Orders.Get"];
    expectTypeOf<Get["input"]>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<Get["output"]>().toEqualTypeOf<{ id: string; status: string }>();
    expectTypeOf<ErrorOf<Get>>().toEqualTypeOf<InstanceType<typeof OrderNotFound>>();
    expectTypeOf<KvOf<typeof orders>["orders"]["value"]>().toEqualTypeOf<{ id: string; status: string }>();
    expectTypeOf<KvOf<typeof orders>["orders"]["required"]>().toEqualTypeOf<true>();
  });
  test("callers see what they selected", () => {
    type Calls = CallableRpc<typeof dashboard>;
    expectTypeOf<keyof Calls>().toEqualTypeOf<"Orders.Get">();
    expectTypeOf<Calls["Orders.Get"]["output"]>().toEqualTypeOf<{ id: string; status: string }>();
    expectTypeOf<Nested<Calls>["orders"]["get"]["input"]>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<Calls["Orders.Get"]["error"]["type"]>().toEqualTypeOf<"OrderNotFound">();
    expectTypeOf<Calls["Orders.Get"]["error"]["id"]>().toEqualTypeOf<string>();
  });
});
