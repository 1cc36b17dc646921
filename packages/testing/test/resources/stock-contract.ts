import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Item = Type.Object({ count: Type.Integer({ minimum: 0 }), note: Type.Optional(Type.String()) });
const Blob = Type.Object({ text: Type.String() });

/** A service with a bucket of everything a bucket may be. */
export const stock = defineServiceContract({ schemas: { Item, Blob } }, (ref) => ({
  id: "stock@v1",
  displayName: "Stock",
  description: "Counts things.",
  resources: {
    kv: {
      items: { purpose: "What there is", schema: ref.schema("Item") },
      past: { purpose: "What there was", schema: ref.schema("Item"), history: 5 },
      small: { purpose: "Short texts", schema: ref.schema("Blob"), maxValueBytes: 64 },
      blobs: { purpose: "Long texts", schema: ref.schema("Blob") },
      extra: { purpose: "Nice to have", schema: ref.schema("Item"), required: false },
    },
    store: {
      files: { purpose: "Files" },
      box: { purpose: "A small box", maxTotalBytes: 1_048_576, maxObjectBytes: 400_000 },
    },
  },
}));
