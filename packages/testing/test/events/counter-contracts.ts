import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Count = Type.Object({ key: Type.String(), n: Type.Integer() });

/** Numbers that count up by key. */
export const counting = defineServiceContract({ schemas: { Count } }, (ref) => ({
  id: "counting@v1",
  displayName: "Counting",
  description: "Counts.",
  events: { "Counting.Counted": { version: "v1", event: ref.schema("Count"), params: ["/key"] } },
}));

const uses = { required: { counting: counting.use({ events: { subscribe: ["Counting.Counted"] } }) } } as const;
const group = {
  uses: { counting: ["Counting.Counted"] },
  replay: "all",
  ackWaitMs: 1_000,
  maxDeliver: 50,
  backoffMs: [20, 100],
} as const;

/** One event at a time over all replicas. */
export const strictCounter = defineServiceContract({}, () => ({
  id: "strict-counter@v1",
  displayName: "Strict counter",
  description: "Writes down what it hears.",
  uses,
  eventConsumers: { ledger: group },
}));

/** Many at a time, those of one key one after the other. */
export const wideCounter = defineServiceContract({}, () => ({
  id: "wide-counter@v1",
  displayName: "Wide counter",
  description: "Writes down what it hears.",
  uses,
  eventConsumers: { ledger: { ...group, concurrency: 64 } },
}));

/** Gives up after two replicas have died with an event. */
export const fragileCounter = defineServiceContract({}, () => ({
  id: "fragile-counter@v1",
  displayName: "Fragile counter",
  description: "Dies of what it hears.",
  uses,
  eventConsumers: { ledger: { ...group, maxDeliver: 2, concurrency: 64 } },
}));

export const COUNTERS = { strict: strictCounter, wide: wideCounter } as const;
