import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Queues with short waits, so that a test need not be long. */
export const works = defineServiceContract(
  {
    schemas: {
      Task: Type.Object({ n: Type.Integer(), ms: Type.Optional(Type.Integer()), text: Type.Optional(Type.String()) }),
      Done: Type.Object({ n: Type.Integer(), worker: Type.String() }),
    },
  },
  (ref) => ({
    id: "works@v1",
    displayName: "Works",
    description: "Runs jobs in tests.",
    jobs: {
      steady: {
        payload: ref.schema("Task"),
        result: ref.schema("Done"),
        ackWaitMs: 1_500,
        backoffMs: [100, 200],
        maxDeliver: 3,
        concurrency: 8,
      },
      plain: {
        payload: ref.schema("Task"),
        ackWaitMs: 1_500,
        backoffMs: [50],
        maxDeliver: 2,
        concurrency: 2,
        dlq: false,
      },
      tough: {
        payload: ref.schema("Task"),
        result: ref.schema("Done"),
        ackWaitMs: 1_500,
        backoffMs: [50],
        maxDeliver: 30,
        concurrency: 8,
      },
      shared: {
        payload: ref.schema("Task"),
        result: ref.schema("Done"),
        ackWaitMs: 1_500,
        maxDeliver: 30,
        concurrency: 8,
        perGroup: { concurrency: 1 },
      },
    },
  }),
);
