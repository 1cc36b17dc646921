import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import type { Migrations, TrellisService } from "../service.ts";
import type { Store } from "../store/store.ts";
import type { Kv } from "./kv.ts";

const Order = Type.Object({ id: Type.String() });
const contract = defineServiceContract({ schemas: { Order } }, (ref) => ({
  id: "orders@v1",
  displayName: "Orders",
  description: "Keeps orders.",
  resources: {
    kv: {
      orders: { purpose: "Orders", schema: ref.schema("Order") },
      drafts: { purpose: "Drafts", schema: ref.schema("Order"), required: false },
    },
    store: { files: { purpose: "Files" }, thumbnails: { purpose: "Small ones", required: false } },
  },
}));
declare const service: TrellisService<typeof contract>;

test("buckets and stores are what the contract declares", () => {
  expectTypeOf(service.kv.orders).toEqualTypeOf<Kv<{ id: string }>>();
  expectTypeOf(service.kv.drafts).toEqualTypeOf<Kv<{ id: string }> | undefined>();
  expectTypeOf(service.store.files).toEqualTypeOf<Store>();
  expectTypeOf(service.store.thumbnails).toEqualTypeOf<Store | undefined>();
  // @ts-expect-error -- the contract declares no such bucket
  void service.kv.order;
});

test("migrations give values of the bucket", () => {
  expectTypeOf<NonNullable<Migrations<typeof contract>["kv"]>["orders"]>().toEqualTypeOf<
    ((stored: unknown, key: string) => { id: string }) | undefined
  >();
});
