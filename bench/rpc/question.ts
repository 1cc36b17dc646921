import type { JsonSchema } from "@trellis/contracts";
import { Type } from "typebox";

/** About 250 bytes of JSON each way, the size of a typical small call. */
export const question = {
  id: "o_01JD9Z8W7K6X5V4T3S2R1Q0P9N",
  customer: { name: "Ada Lovelace", email: "ada@example.com", tier: "gold" },
  items: [
    { sku: "bicycle-blue-54", quantity: 1, price: 129_900 },
    { sku: "bell-brass", quantity: 2, price: 1_490 },
  ],
  note: "leave it with the neighbour",
};

export const Question = Type.Object({
  id: Type.String(),
  customer: Type.Object({ name: Type.String(), email: Type.String(), tier: Type.String() }),
  items: Type.Array(Type.Object({ sku: Type.String(), quantity: Type.Integer(), price: Type.Integer() })),
  note: Type.String(),
});

/** The same as plain JSON, as `compileSchema` takes it from a manifest. */
export const questionSchema: JsonSchema = JSON.parse(JSON.stringify(Question));
