import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Waits are shorter than the longest pause, so that a paused worker wakes up after a successor has taken over. */
const ACK_WAIT_MS = 4_000;

/** What the soak has done: jobs that take a moment and leave traces. */
export const mill = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ n: Type.Integer(), ms: Type.Integer() }),
      Done: Type.Object({ n: Type.Integer(), run: Type.String() }),
    },
  },
  (ref) => ({
    id: "mill@v1",
    displayName: "Mill",
    description: "Grinds jobs while its processes are killed and paused.",
    jobs: {
      grind: {
        payload: ref.schema("Task"),
        result: ref.schema("Done"),
        ackWaitMs: ACK_WAIT_MS,
        backoffMs: [100],
        maxDeliver: 100,
        concurrency: 32,
      },
    },
  }),
);
