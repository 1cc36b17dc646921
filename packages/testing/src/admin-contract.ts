import { defineAgentContract } from "@trellis/contracts";
import { administration } from "@trellis/sdk/administration";

/** Everything the platform offers to an administrator. */
export const adminContract = defineAgentContract({
  id: "trellis-testing@v1",
  displayName: "Trellis testing",
  description: "Prepares a platform for a test.",
  uses: { required: administration },
});
