import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

export const Missing = defineError({
  type: "Missing",
  fields: { id: Type.String() },
  message: ({ id }) => `No thing ${id}.`,
});
export const Undeclared = defineError({
  type: "Undeclared",
  fields: { secret: Type.String() },
  message: ({ secret }) => `The secret is ${secret}.`,
});

/** One RPC for each thing a service may do. */
export const testContract = defineServiceContract(
  {
    schemas: {
      Text: Type.Object({ text: Type.String() }),
      Empty: Type.Object({}),
    },
    errors: { Missing },
  },
  (ref) => ({
    id: "test@v1",
    displayName: "Test",
    description: "A service for tests.",
    capabilities: { use: { displayName: "Use", description: "Use it." } },
    rpc: {
      "Test.Echo": {
        version: "v1",
        input: ref.schema("Text"),
        output: ref.schema("Text"),
        errors: [ref.error("Missing")],
        capabilities: { call: ["use"] },
      },
      "Test.Slow.Work": { version: "v1", input: ref.schema("Empty"), output: ref.schema("Empty") },
    },
  }),
);
