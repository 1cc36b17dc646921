import { defineAgentContract } from "@trellis/contracts";

/** Connects and asks for nothing beyond what everybody may. */
export const visitor = defineAgentContract({
  id: "bench-visitor@v1",
  displayName: "Benchmark visitor",
  description: "Opens connections.",
});
