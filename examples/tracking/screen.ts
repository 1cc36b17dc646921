import { defineAgentContract } from "@trellis/contracts";
import tracking from "./contract.ts";

export default defineAgentContract({
  id: "tracking-screen@v1",
  displayName: "Tracking screen",
  description: "Shows on a terminal where a van is.",
  uses: { required: { tracking: tracking.use({ feeds: { subscribe: ["Vans.Positions"] } }) } },
});
