import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { Question } from "../rpc/question.ts";

const Amount = Type.Object({ frames: Type.Integer() });

export const benchFeeds = defineServiceContract({ schemas: { Amount, Question } }, (ref) => ({
  id: "bench-feeds@v1",
  displayName: "Benchmark of feeds",
  description: "Sends as many frames as it is asked for.",
  capabilities: { watch: { displayName: "Watch", description: "Read the benchmark's feed." } },
  feeds: {
    "Bench.Frames": {
      version: "v1",
      input: ref.schema("Amount"),
      event: ref.schema("Question"),
      capabilities: { subscribe: ["watch"] },
    },
  },
}));

export const benchReader = defineAgentContract({
  id: "bench-reader@v1",
  displayName: "Benchmark reader",
  description: "Reads the benchmark's feed.",
  uses: { required: { bench: benchFeeds.use({ feeds: { subscribe: ["Bench.Frames"] } }) } },
});
