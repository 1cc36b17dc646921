import { defineAgentContract } from "@trellis/contracts";
import inventory from "./contract.ts";

export default defineAgentContract({
  id: "inventory-till@v1",
  displayName: "Till",
  description: "Sells what is on the shelves.",
  uses: {
    required: {
      inventory: inventory.use({
        rpc: { call: ["Stock.Deliver", "Stock.Take", "Stock.List", "Stock.Sheet"] },
        operations: { call: ["Stock.Count"] },
      }),
    },
  },
});
