import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { Question } from "../rpc/question.ts";

/** How many subjects the events spread over, and how many are out at a time. */
export const KEYS = 64;
export const CONCURRENCY = 256;

const Happened = Type.Object({ key: Type.String(), question: Question });

export const benchEvents = defineServiceContract({ schemas: { Happened } }, (ref) => ({
  id: "bench-events@v1",
  displayName: "Benchmark of events",
  description: "Publishes events.",
  events: {
    "Bench.Happened": { version: "v1", event: ref.schema("Happened"), params: ["/key"] },
    "Bench.Ordered": { version: "v1", event: ref.schema("Happened"), params: ["/key"] },
  },
}));

export const benchReader = defineServiceContract({}, () => ({
  id: "bench-reader@v1",
  displayName: "Benchmark of consumers",
  description: "Consumes events.",
  uses: { required: { events: benchEvents.use({ events: { subscribe: ["Bench.Happened"] } }) } },
  eventConsumers: { all: { uses: { events: ["Bench.Happened"] }, concurrency: CONCURRENCY } },
}));

/** The same in strict order, of an event of its own: neither group gets what is stored for the other. */
export const benchStrictReader = defineServiceContract({}, () => ({
  id: "bench-strict@v1",
  displayName: "Benchmark of strict order",
  description: "Consumes events one after the other.",
  uses: { required: { events: benchEvents.use({ events: { subscribe: ["Bench.Ordered"] } }) } },
  eventConsumers: { all: { uses: { events: ["Bench.Ordered"] } } },
}));

export { Happened };
