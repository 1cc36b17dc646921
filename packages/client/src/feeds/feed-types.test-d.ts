import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import type { TrellisClient } from "../client.ts";
import type { FeedReading } from "./feed-types.ts";

const orders = defineServiceContract(
  { schemas: { Asked: Type.Object({ status: Type.String() }), Order: Type.Object({ id: Type.String() }) } },
  (ref) => ({
    id: "orders@v1",
    displayName: "Orders",
    description: "Orders.",
    feeds: {
      "Orders.Live": { version: "v1", input: ref.schema("Asked"), event: ref.schema("Order") },
      "Orders.Hidden": { version: "v1", input: ref.schema("Asked"), event: ref.schema("Order") },
    },
  }),
);
const screen = defineAgentContract({
  id: "screen@v1",
  displayName: "Screen",
  description: "A screen.",
  uses: { required: { orders: orders.use({ feeds: { subscribe: ["Orders.Live"] } }) } },
});
declare const client: TrellisClient<typeof screen>;

test("feeds are typed by path and by name", () => {
  expectTypeOf(client.feed.orders.live({ status: "placed" })).toEqualTypeOf<FeedReading<{ id: string }>>();
  expectTypeOf(client.feed("Orders.Live").input({ status: "placed" }).subscribe()).toEqualTypeOf<
    FeedReading<{ id: string }>
  >();
  // @ts-expect-error the input is not what the contract says
  client.feed.orders.live({ status: 1 });
  // @ts-expect-error it is not selected
  void client.feed.orders.hidden;
  // @ts-expect-error it is not selected
  client.feed("Orders.Hidden");
});
