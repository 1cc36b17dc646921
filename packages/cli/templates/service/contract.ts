import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Item = Type.Object({ id: Type.String(), status: Type.String() });
const ItemId = Type.Object({ id: Type.String() });

export const ItemNotFound = defineError({
  type: "ItemNotFound",
  fields: { id: Type.String() },
  message: ({ id }) => `There is no item ${id}.`,
});

export default defineServiceContract({ schemas: { Item, ItemId }, errors: { ItemNotFound } }, (ref) => ({
  id: "sample-service@v1",
  displayName: "Sample service",
  description: "Say in one sentence what sample-service is for.",
  capabilities: {
    read: { displayName: "Read items", description: "See any item." },
  },
  rpc: {
    "SampleService.Get": {
      version: "v1",
      input: ref.schema("ItemId"),
      output: ref.schema("Item"),
      errors: [ref.error("ItemNotFound")],
      capabilities: { call: ["read"] },
    },
  },
}));
