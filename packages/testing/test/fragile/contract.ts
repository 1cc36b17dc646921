import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Gives up after two replicas have died with something. */
export const fragile = defineServiceContract(
  { schemas: { Task: Type.Object({ name: Type.String() }), Done: Type.Object({ name: Type.String() }) } },
  (ref) => ({
    id: "fragile@v1",
    displayName: "Fragile",
    description: "Dies of some of what it does.",
    operations: {
      "Fragile.Do": { version: "v1", input: ref.schema("Task"), output: ref.schema("Done"), maxAttempts: 2 },
    },
    jobs: {
      tasks: {
        payload: ref.schema("Task"),
        result: ref.schema("Done"),
        maxDeliver: 2,
        ackWaitMs: 1_000,
        concurrency: 16,
      },
    },
  }),
);

export const boss = defineAgentContract({
  id: "boss@v1",
  displayName: "Boss",
  description: "Asks for what is too much.",
  uses: { required: { fragile: fragile.use({ operations: { call: ["Fragile.Do"] } }) } },
});
