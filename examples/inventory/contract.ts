import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Item = Type.Object({ sku: Type.String(), name: Type.String(), count: Type.Integer({ minimum: 0 }) });
const Delivery = Type.Object({ sku: Type.String(), name: Type.String(), count: Type.Integer({ minimum: 1 }) });
const Taking = Type.Object({ sku: Type.String(), count: Type.Integer({ minimum: 1 }) });
const Nothing = Type.Object({});
const Items = Type.Object({ items: Type.Array(Item) });
const Sheet = Type.Object({ name: Type.String({ minLength: 1 }) });
const Counted = Type.Object({ items: Type.Integer() });

/** Fewer are there than were asked for. */
export const NotEnough = defineError({
  type: "NotEnough",
  fields: { sku: Type.String(), left: Type.Integer() },
  message: ({ sku, left }) => `Only ${left} of ${sku} left`,
});

export default defineServiceContract(
  { schemas: { Item, Delivery, Taking, Nothing, Items, Sheet, Counted }, errors: { NotEnough } },
  (ref) => ({
    id: "inventory@v1",
    displayName: "Inventory",
    description: "What is on the shelves.",
    rpc: {
      "Stock.Deliver": { version: "v1", input: ref.schema("Delivery"), output: ref.schema("Item") },
      "Stock.Take": {
        version: "v1",
        input: ref.schema("Taking"),
        output: ref.schema("Item"),
        errors: [ref.error("NotEnough")],
      },
      "Stock.List": { version: "v1", input: ref.schema("Nothing"), output: ref.schema("Items") },
      // Its answer hands out a file.
      "Stock.Sheet": {
        version: "v1",
        input: ref.schema("Nothing"),
        output: ref.schema("Sheet"),
        transfer: { direction: "receive" },
      },
    },
    operations: {
      // It begins when its file is stored, under the name that its input gives.
      "Stock.Count": {
        version: "v1",
        input: ref.schema("Sheet"),
        output: ref.schema("Counted"),
        transfer: { direction: "send", store: "sheets", key: "/name", maxBytes: 1024 * 1024 },
      },
    },
    resources: {
      kv: { items: { purpose: "What is there, by SKU", schema: ref.schema("Item"), maxValueBytes: 4096 } },
      store: { sheets: { purpose: "Stock sheets", maxTotalBytes: 64 * 1024 * 1024, maxObjectBytes: 1024 * 1024 } },
    },
  }),
);
