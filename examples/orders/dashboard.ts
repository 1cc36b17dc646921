import { defineAgentContract } from "@trellis/contracts";
import orders from "./contract.ts";

export default defineAgentContract({
  id: "orders-dashboard@v1",
  displayName: "Orders dashboard",
  description: "Looks at orders from a terminal.",
  uses: { required: { orders: orders.use({ rpc: { call: ["Orders.Get", "Orders.Place"] } }) } },
});
