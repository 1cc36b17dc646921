import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Ticks = Type.Object({
  /** Between two ticks; 0: as fast as they are taken. */
  everyMs: Type.Integer({ minimum: 0 }),
  upTo: Type.Optional(Type.Integer()),
  /** Whether each tick has a cursor. */
  cursors: Type.Optional(Type.Boolean()),
  /** Bytes of padding in each tick. */
  pad: Type.Optional(Type.Integer()),
  label: Type.Optional(Type.String()),
});
const Tick = Type.Object({ n: Type.Integer(), pid: Type.Integer(), pad: Type.Optional(Type.String()) });
const Odd = Type.Object({ how: Type.String() });

/** A service that counts, and one feed that does what a feed should not. */
export const ticker = defineServiceContract({ schemas: { Ticks, Tick, Odd } }, (ref) => ({
  id: "ticker@v1",
  displayName: "Ticker",
  description: "Counts for whoever listens.",
  capabilities: { watch: { displayName: "Watch", description: "Hear the ticker count." } },
  feeds: {
    "Ticker.Count": {
      version: "v1",
      input: ref.schema("Ticks"),
      event: ref.schema("Tick"),
      capabilities: { subscribe: ["watch"] },
    },
    "Ticker.Odd": { version: "v1", input: ref.schema("Odd"), event: ref.schema("Tick") },
  },
}));

/** Listens to the ticker. */
export const listener = defineAgentContract({
  id: "listener@v1",
  displayName: "Listener",
  description: "Listens to the ticker.",
  uses: { required: { ticker: ticker.use({ feeds: { subscribe: ["Ticker.Count", "Ticker.Odd"] } }) } },
});

/** Listens to the ticker if it may, and can live without it. */
export const occasionalListener = defineAgentContract({
  id: "occasional-listener@v1",
  displayName: "Occasional listener",
  description: "Listens to the ticker when it may.",
  uses: { optional: { ticker: ticker.use({ feeds: { subscribe: ["Ticker.Count"] } }) } },
});
