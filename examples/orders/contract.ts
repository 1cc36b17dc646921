import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Order = Type.Object({ id: Type.String(), item: Type.String(), status: Type.String() });
const OrderId = Type.Object({ id: Type.String() });
const NewOrder = Type.Object({ item: Type.String({ minLength: 1 }) });

export const OrderNotFound = defineError({
  type: "OrderNotFound",
  fields: { id: Type.String() },
  message: ({ id }) => `No order ${id}`,
});

export default defineServiceContract({ schemas: { Order, OrderId, NewOrder }, errors: { OrderNotFound } }, (ref) => ({
  id: "orders@v1",
  displayName: "Orders",
  description: "Take and track orders.",
  capabilities: {
    read: { displayName: "Read orders", description: "See any order." },
    write: { displayName: "Place orders", description: "Place an order in the shop." },
  },
  rpc: {
    "Orders.Get": {
      version: "v1",
      input: ref.schema("OrderId"),
      output: ref.schema("Order"),
      errors: [ref.error("OrderNotFound")],
      capabilities: { call: ["read"] },
    },
    "Orders.Place": {
      version: "v1",
      input: ref.schema("NewOrder"),
      output: ref.schema("Order"),
      capabilities: { call: ["write"] },
    },
  },
}));
