import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Question } from "./question.ts";

export const benchService = defineServiceContract({ schemas: { Question } }, (ref) => ({
  id: "bench@v1",
  displayName: "Benchmark",
  description: "Answers a question with the question.",
  capabilities: { ask: { displayName: "Ask", description: "Ask the benchmark's question." } },
  rpc: {
    "Bench.Ask": {
      version: "v1",
      input: ref.schema("Question"),
      output: ref.schema("Question"),
      capabilities: { call: ["ask"] },
    },
  },
}));

export const benchCaller = defineAgentContract({
  id: "bench-caller@v1",
  displayName: "Benchmark caller",
  description: "Asks the benchmark's question.",
  uses: { required: { bench: benchService.use({ rpc: { call: ["Bench.Ask"] } }) } },
});
