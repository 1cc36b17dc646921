import { defineServiceContract } from "@trellis/contracts";
import { HandledEvents, WaitingEvents } from "@trellis/outbox/kv";
import { Type } from "typebox";

const Order = Type.Object({ key: Type.String(), n: Type.Integer() });
const Book = Type.Object({ n: Type.Integer(), outbox: WaitingEvents, handled: HandledEvents });

/** Writes orders, and says so through an outbox. */
export const shop = defineServiceContract({ schemas: { Order, Book } }, (ref) => ({
  id: "outbox-shop@v1",
  displayName: "Shop",
  description: "Takes orders.",
  events: { "Shop.Ordered": { version: "v1", event: ref.schema("Order"), params: ["/key"] } },
  resources: { kv: { books: { purpose: "Orders by key", schema: ref.schema("Book") } } },
}));

/** Counts what it hears of, which bears no repeating. */
export const ledger = defineServiceContract({ schemas: { Book } }, (ref) => ({
  id: "outbox-ledger@v1",
  displayName: "Ledger",
  description: "Counts orders.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
  eventConsumers: {
    entries: {
      uses: { shop: ["Shop.Ordered"] },
      replay: "all",
      concurrency: 16,
      ackWaitMs: 1_000,
      maxDeliver: 100,
      backoffMs: [20, 100],
    },
  },
  resources: { kv: { books: { purpose: "Counts by key", schema: ref.schema("Book") } } },
}));

/** Has a bucket whose values hold events, and tells of two kinds of them. */
export const jotter = defineServiceContract(
  {
    schemas: {
      Order,
      Page: Type.Object({ lines: Type.Array(Type.String()), outbox: WaitingEvents, handled: HandledEvents }),
    },
  },
  (ref) => ({
    id: "outbox-jotter@v1",
    displayName: "Jotter",
    description: "Writes lines.",
    events: { "Jotter.Wrote": { version: "v1", event: ref.schema("Order"), params: ["/key"] } },
    resources: { kv: { pages: { purpose: "Lines", schema: ref.schema("Page") } } },
  }),
);
