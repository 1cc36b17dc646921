import { defineAgentContract } from "@trellis/contracts";
import refunds from "./contract.ts";

export default defineAgentContract({
  id: "refund-desk@v1",
  displayName: "Refund desk",
  description: "Starts refunds and approves large ones.",
  uses: { required: { refunds: refunds.use({ operations: { call: ["Refunds.Pay"] } }) } },
});
