import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import orders from "./orders-contract.ts";

const Parcel = Type.Object({ order: Type.String(), address: Type.String() });

export default defineServiceContract({ schemas: { Parcel } }, (ref) => ({
  id: "shipping@v1",
  displayName: "Shipping",
  description: "Sends what was ordered.",
  uses: { required: { orders: orders.use({ events: { subscribe: ["Orders.Placed"] } }) } },
  events: { "Shipping.Sent": { version: "v1", event: ref.schema("Parcel") } },
  eventConsumers: {
    parcels: { uses: { orders: ["Orders.Placed"] }, maxDeliver: 5, backoffMs: [1000, 5000, 30_000] },
  },
}));
