import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Named = Type.Object({ name: Type.String({ minLength: 1 }) });
const Thing = Type.Object({
  name: Type.String(),
  colour: Type.Union([Type.Literal("red"), Type.Literal("green"), Type.Literal("blue")]),
  weights: Type.Array(Type.Number({ minimum: 0 })),
  note: Type.Optional(Type.String({ maxLength: 200 })),
});
const Things = Type.Object({ things: Type.Array(Thing) });

/** Twenty surfaces, as many as a service of some size has: 8 RPCs, 4 events, 2 feeds, 2 queues, a group, 2 buckets, a store. */
export const warehouse = defineServiceContract({ schemas: { Named, Thing, Things } }, (ref) => {
  const ask = { version: "v1", input: ref.schema("Named"), output: ref.schema("Thing") } as const;
  const told = { version: "v1", event: ref.schema("Thing"), params: ["/colour"] } as const;
  const followed = { version: "v1", input: ref.schema("Named"), event: ref.schema("Thing") } as const;
  const done = { payload: ref.schema("Named"), result: ref.schema("Thing"), concurrency: 4 } as const;
  return {
    id: "warehouse-bench@v1",
    displayName: "Memory benchmark",
    description: "Has a surface of every kind, and nothing to do.",
    rpc: {
      "Things.Get": ask,
      "Things.List": { ...ask, output: ref.schema("Things") },
      "Things.Put": ask,
      "Things.Rename": ask,
      "Things.Weigh": ask,
      "Things.Paint": ask,
      "Things.Count": ask,
      "Things.Forget": ask,
    },
    events: { "Things.Made": told, "Things.Painted": told, "Things.Weighed": told, "Things.Forgotten": told },
    feeds: { "Things.Live": followed, "Things.Scale": followed },
    jobs: { paint: done, weigh: done },
    eventConsumers: { count: { self: ["Things.Made", "Things.Forgotten"], concurrency: 8 } },
    resources: {
      kv: {
        things: { purpose: "What there is", schema: ref.schema("Thing") },
        names: { purpose: "What it was called", schema: ref.schema("Named") },
      },
      store: { pictures: { purpose: "What it looks like" } },
    },
  };
});
