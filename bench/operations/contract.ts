import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Operations that do nothing, so that only their records cost. */
export const works = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ text: Type.String(), sleepMs: Type.Optional(Type.Integer()) }),
      Done: Type.Object({ begunAt: Type.Number() }),
    },
  },
  (ref) => ({
    id: "durable@v1",
    displayName: "Durable",
    description: "Runs operations for the benchmark.",
    operations: {
      "Durable.None": { version: "v1", input: ref.schema("Task"), output: ref.schema("Done") },
      "Durable.Three": { version: "v1", input: ref.schema("Task"), output: ref.schema("Done") },
      "Durable.Sleep": { version: "v1", input: ref.schema("Task"), output: ref.schema("Done") },
    },
  }),
);

export const starter = defineAgentContract({
  id: "durable-starter@v1",
  displayName: "Starter",
  description: "Starts operations for the benchmark.",
  uses: {
    required: {
      durable: works.use({ operations: { call: ["Durable.None", "Durable.Three", "Durable.Sleep"] } }),
    },
  },
});
