import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Order = Type.Object({ id: Type.String(), status: Type.String(), n: Type.Integer() });
const Note = Type.Object({ text: Type.String() });

/** Owns events, and consumes one of them itself. */
export const shop = defineServiceContract({ schemas: { Order, Note } }, (ref) => ({
  id: "shop@v1",
  displayName: "Shop",
  description: "Sells things.",
  capabilities: { read: { displayName: "Read", description: "Hear of orders." } },
  events: {
    "Shop.Ordered": {
      version: "v1",
      event: ref.schema("Order"),
      params: ["/status"],
      capabilities: { subscribe: ["read"] },
    },
    "Shop.Noted": { version: "v1", event: ref.schema("Note") },
  },
}));

/** Consumes in strict order, with quick retries. */
export const shipping = defineServiceContract({}, () => ({
  id: "shipping@v1",
  displayName: "Shipping",
  description: "Ships what was ordered.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered", "Shop.Noted"] } }) } },
  eventConsumers: {
    parcels: { uses: { shop: ["Shop.Ordered", "Shop.Noted"] }, ackWaitMs: 2_000, maxDeliver: 3, backoffMs: [50, 100] },
  },
}));

/** Consumes side by side, in order by subject. */
export const billing = defineServiceContract({}, () => ({
  id: "billing@v1",
  displayName: "Billing",
  description: "Bills what was ordered.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
  eventConsumers: {
    invoices: {
      uses: { shop: ["Shop.Ordered"] },
      concurrency: 32,
      ackWaitMs: 2_000,
      maxDeliver: 3,
      backoffMs: [50, 100],
    },
  },
}));

export const screen = defineAgentContract({
  id: "screen@v1",
  displayName: "Screen",
  description: "Shows orders as they come.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
});

const quick = { concurrency: 8, ackWaitMs: 2_000, maxDeliver: 2, backoffMs: [50] } as const;

/** One group of a service, before and after it was taught another event. */
export const oldDesk = defineServiceContract({}, () => ({
  id: "desk@v1",
  displayName: "Desk",
  description: "Hears of orders.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
  eventConsumers: { parcels: { uses: { shop: ["Shop.Ordered"] }, ...quick } },
}));
export const newDesk = defineServiceContract({}, () => ({
  id: "desk@v1",
  displayName: "Desk",
  description: "Hears of orders and notes.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered", "Shop.Noted"] } }) } },
  eventConsumers: { parcels: { uses: { shop: ["Shop.Ordered", "Shop.Noted"] }, ...quick } },
}));

/** The same with one event at a time. */
const once = { ackWaitMs: 2_000, maxDeliver: 1, backoffMs: [50] } as const;
export const oldCounter = defineServiceContract({}, () => ({
  id: "counter@v1",
  displayName: "Counter",
  description: "Hears of orders.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
  eventConsumers: { parcels: { uses: { shop: ["Shop.Ordered"] }, ...once } },
}));
export const newCounter = defineServiceContract({}, () => ({
  id: "counter@v1",
  displayName: "Counter",
  description: "Hears of orders and notes.",
  uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered", "Shop.Noted"] } }) } },
  eventConsumers: { parcels: { uses: { shop: ["Shop.Ordered", "Shop.Noted"] }, ...once } },
}));

/** An event with several parameters, of every kind a parameter may be. */
const Reading = Type.Object({ place: Type.String(), level: Type.Integer(), hot: Type.Boolean() });
export const probes = defineServiceContract({ schemas: { Reading } }, (ref) => ({
  id: "probes@v1",
  displayName: "Probes",
  description: "Read what is there.",
  events: {
    "Probe.Read": { version: "v1", event: ref.schema("Reading"), params: ["/place", "/level", "/hot"] },
  },
}));

export const gauge = defineAgentContract({
  id: "gauge@v1",
  displayName: "Gauge",
  description: "Shows readings.",
  uses: { required: { probes: probes.use({ events: { subscribe: ["Probe.Read"] } }) } },
});

/** A till whose events say more than they once did: what is published under the older contract does not satisfy the newer one. */
const tillIs = { id: "till@v1", displayName: "Till", description: "Sells." } as const;
const OlderSale = Type.Object({ id: Type.String() });
const Sale = Type.Object({ id: Type.String(), amount: Type.Integer() });
export const olderTill = defineServiceContract({ schemas: { OlderSale } }, (ref) => ({
  ...tillIs,
  events: { "Till.Sold": { version: "v1", event: ref.schema("OlderSale"), params: ["/id"] } },
}));
export const till = defineServiceContract({ schemas: { Sale } }, (ref) => ({
  ...tillIs,
  events: { "Till.Sold": { version: "v1", event: ref.schema("Sale"), params: ["/id"] } },
}));

/** Reads everything the till ever sold. */
export const books = defineServiceContract({}, () => ({
  id: "books@v1",
  displayName: "Books",
  description: "Keeps the books.",
  uses: { required: { till: till.use({ events: { subscribe: ["Till.Sold"] } }) } },
  eventConsumers: { sales: { uses: { till: ["Till.Sold"] }, replay: "all" } },
}));
