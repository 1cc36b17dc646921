import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

export const AlreadyPaid = defineError({
  type: "AlreadyPaid",
  fields: { order: Type.String() },
  message: ({ order }) => `The order ${order} was paid back before.`,
});

const Asked = Type.Object({ order: Type.String({ minLength: 1 }), cents: Type.Integer({ minimum: 1 }) });
const Percent = Type.Object({ percent: Type.Number() });
const Paid = Type.Object({ receipt: Type.String(), approvedBy: Type.Optional(Type.String()) });
const Approval = Type.Object({ by: Type.String() });

export default defineServiceContract(
  { schemas: { Asked, Percent, Paid, Approval }, errors: { AlreadyPaid } },
  (ref) => ({
    id: "refunds@v1",
    displayName: "Refunds",
    description: "Pay customers back.",
    operations: {
      "Refunds.Pay": {
        version: "v1",
        input: ref.schema("Asked"),
        progress: ref.schema("Percent"),
        output: ref.schema("Paid"),
        errors: [ref.error("AlreadyPaid")],
        signals: { approve: { input: ref.schema("Approval") } },
        capabilities: { call: [], cancel: [] }, // whoever may start one may cancel it
        maxAttempts: 4, // before it has failed
        backoffMs: [200, 5_000, 60_000], // pauses between them
        retentionMs: 86_400_000, // what became of it is kept for a day
      },
    },
  }),
);
