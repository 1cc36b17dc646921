import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { WORKERS } from "./contender.ts";

/** Jobs that do nothing, so that only their records cost. */
export const factory = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ n: Type.Integer(), text: Type.String() }),
      Done: Type.Object({ n: Type.Integer() }),
    },
  },
  (ref) => ({
    id: "factory@v1",
    displayName: "Factory",
    description: "Runs jobs for the benchmark.",
    jobs: {
      work: { payload: ref.schema("Task"), result: ref.schema("Done"), concurrency: WORKERS },
      idle: { payload: ref.schema("Task"), result: ref.schema("Done"), concurrency: WORKERS },
    },
  }),
);
