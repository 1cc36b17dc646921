import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Order = Type.Object({ id: Type.String(), address: Type.String(), status: Type.String() });

/** The part of a shop's contract that others listen to. */
export default defineServiceContract({ schemas: { Order } }, (ref) => ({
  id: "shop-orders@v1",
  displayName: "Shop orders",
  description: "Takes orders and says so.",
  capabilities: { read: { displayName: "Hear of orders", description: "Listen to every order." } },
  events: {
    "Orders.Placed": {
      version: "v1",
      event: ref.schema("Order"),
      params: ["/status"],
      capabilities: { subscribe: ["read"] },
    },
  },
}));
