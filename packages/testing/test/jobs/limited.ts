import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Queues whose jobs are limited, ordered and made in other ways than one by one. */
export const limited = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ n: Type.Integer() }),
      Done: Type.Object({ n: Type.Integer(), at: Type.Number() }),
    },
  },
  (ref) => {
    const common = { payload: ref.schema("Task"), result: ref.schema("Done"), ackWaitMs: 3_000, backoffMs: [50] };
    return {
      id: "limited@v1",
      displayName: "Limited",
      description: "Runs jobs in tests.",
      jobs: {
        free: { ...common, concurrency: 8 },
        ranked: { ...common, concurrency: 1, priorities: true },
        grouped: { ...common, concurrency: 8, perGroup: { concurrency: 2 } },
        paced: { ...common, concurrency: 8, rate: { limit: 5, perMs: 1_000 } },
        tenants: { ...common, concurrency: 8, perGroup: { rate: { limit: 2, perMs: 1_000 } } },
      },
    };
  },
);
