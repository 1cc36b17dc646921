import { defineAgentContract } from "@trellis/contracts";
import { administration } from "@trellis/sdk/administration";

/** What the operator's commands use. The person's own capabilities decide what of it is granted. */
export const operatorContract = defineAgentContract({
  id: "trellis-cli@v1",
  displayName: "Trellis command line",
  description: "The operator's view of a platform: deployments, plans, sessions and audit.",
  uses: { required: administration },
});
