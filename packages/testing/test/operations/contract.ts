import { defineAgentContract, defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

export const NoFunds = defineError({
  type: "NoFunds",
  fields: { missing: Type.Integer() },
  message: ({ missing }) => `${missing} are missing.`,
});

/** Operations with short pauses, so that a test need not be long. */
export const billing = defineServiceContract(
  {
    schemas: {
      Refund: Type.Object({
        order: Type.String(),
        ms: Type.Optional(Type.Integer()),
        how: Type.Optional(Type.String()),
      }),
      Progress: Type.Object({ percent: Type.Number() }),
      Refunded: Type.Object({ order: Type.String(), by: Type.String() }),
      Approval: Type.Object({ by: Type.String() }),
    },
    errors: { NoFunds },
  },
  (ref) => ({
    id: "billing@v1",
    displayName: "Billing",
    description: "Runs operations in tests.",
    operations: {
      "Billing.Refund": {
        version: "v1",
        input: ref.schema("Refund"),
        progress: ref.schema("Progress"),
        output: ref.schema("Refunded"),
        capabilities: { call: [], cancel: [] },
        signals: { approve: { input: ref.schema("Approval") } },
        errors: [ref.error("NoFunds")],
        maxAttempts: 5,
        backoffMs: [50, 100],
        retentionMs: 3_600_000,
      },
      "Billing.Short": {
        version: "v1",
        input: ref.schema("Refund"),
        output: ref.schema("Refunded"),
        retentionMs: 2_000,
        defaultDeadlineMs: 30_000,
      },
    },
  }),
);

export const shop = defineAgentContract({
  id: "shop@v1",
  displayName: "Shop",
  description: "Starts operations in tests.",
  uses: {
    required: { billing: billing.use({ operations: { call: ["Billing.Refund", "Billing.Short"] } }) },
  },
});
