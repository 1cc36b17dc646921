import { TrellisClient } from "@trellis/client/node";
import { defineAgentContract } from "@trellis/contracts";
import orders from "./orders-contract.ts";

const contract = defineAgentContract({
  id: "order-watch@v1",
  displayName: "Order watch",
  description: "Shows express orders as they come.",
  uses: { required: { orders: orders.use({ events: { subscribe: ["Orders.Placed"] } }) } },
});

await using client = await TrellisClient.connect({ contract });

const express = client.event.orders.placed.listen({ where: { status: "express" } });
await express.ready;
console.error("listening");
for await (const { event } of express) {
  console.log(`${event.id} to ${event.address}`);
  break;
}
