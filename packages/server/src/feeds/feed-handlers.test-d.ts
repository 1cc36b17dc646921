import { defineServiceContract } from "@trellis/contracts";
import type { ShapeOf } from "@trellis/contracts";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import { frame } from "./feed-handlers.ts";
import type { FeedRegistrars } from "./feed-handlers.ts";

const orders = defineServiceContract(
  { schemas: { Asked: Type.Object({ status: Type.String() }), Order: Type.Object({ id: Type.String() }) } },
  (ref) => ({
    id: "orders@v1",
    displayName: "Orders",
    description: "Orders.",
    feeds: { "Orders.Live": { version: "v1", input: ref.schema("Asked"), event: ref.schema("Order") } },
  }),
);
declare const feed: FeedRegistrars<ShapeOf<typeof orders>>;

test("a handler yields what the contract says, with or without a cursor", () => {
  feed.orders.live(async function* ({ input, cursor }) {
    expectTypeOf(input).toEqualTypeOf<{ status: string }>();
    expectTypeOf(cursor).toEqualTypeOf<string | undefined>();
    yield { id: "o_1" };
    yield frame({ id: "o_2" }, "2");
  });
  // @ts-expect-error not an order
  feed.orders.live(async function* () {
    yield { id: 1 };
  });
  // @ts-expect-error no frames at all
  feed.orders.live(() => undefined);
});
