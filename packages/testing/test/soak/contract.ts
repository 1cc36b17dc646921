import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Waits are shorter than the longest pause, so that a paused worker wakes up after a successor has taken over. */
const ACK_WAIT_MS = 4_000;

const Run = Type.Object({ pid: Type.Integer(), attempt: Type.Integer(), fence: Type.Integer() });

/** What the soak has done: jobs that take a moment and operations in three steps, and both leave traces. */
export const mill = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ n: Type.Integer(), ms: Type.Integer() }),
      Ground: Type.Object({ n: Type.Integer(), run: Run }),
      Baked: Type.Object({ n: Type.Integer(), run: Run, steps: Type.Record(Type.String(), Run) }),
    },
  },
  (ref) => ({
    id: "mill@v1",
    displayName: "Mill",
    description: "Grinds and bakes while its processes are killed and paused.",
    jobs: {
      grind: {
        payload: ref.schema("Task"),
        result: ref.schema("Ground"),
        ackWaitMs: ACK_WAIT_MS,
        backoffMs: [100],
        maxDeliver: 100,
        concurrency: 32,
      },
    },
    operations: {
      "Mill.Bake": {
        version: "v1",
        input: ref.schema("Task"),
        output: ref.schema("Baked"),
        maxAttempts: 100,
        backoffMs: [100],
        retentionMs: 3_600_000,
      },
    },
  }),
);

/** Has operations run. */
export const baker = defineAgentContract({
  id: "baker@v1",
  displayName: "Baker",
  description: "Has bread baked.",
  uses: { required: { mill: mill.use({ operations: { call: ["Mill.Bake"] } }) } },
});

/** What a run of a handler or step is told apart by. */
export interface Run {
  readonly pid: number;
  readonly attempt: number;
  readonly fence: number;
}
