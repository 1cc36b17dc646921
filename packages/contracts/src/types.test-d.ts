/** How client and server authors build their faces on the views; also the proof that it works in generic code. */
import type { AsyncResult } from "@trellis/result";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import { contractFromManifest, defineAppContract, defineError, defineServiceContract } from "./index.ts";
import type {
  AnyContract,
  CallableOperations,
  CallableRpc,
  IfRequired,
  KvOf,
  KvShape,
  ListenableEvents,
  Nested,
  PublishableEvents,
  ReadableFeeds,
  RpcOf,
  RpcShape,
} from "./index.ts";

const Gone = defineError({ type: "Gone", fields: { id: Type.String() }, message: "Gone" });

const orders = defineServiceContract(
  {
    schemas: {
      Order: Type.Object({ id: Type.String(), total: Type.Number() }),
      OrderId: Type.Object({ id: Type.String() }),
    },
    errors: { Gone },
  },
  (ref) => ({
    id: "orders@v1",
    displayName: "Orders",
    description: "Orders.",
    rpc: {
      "Orders.Get": {
        version: "v1",
        input: ref.schema("OrderId"),
        output: ref.schema("Order"),
        errors: [ref.error("Gone")],
      },
    },
    resources: {
      kv: {
        orders: { purpose: "Orders", schema: ref.schema("Order") },
        cache: { purpose: "Speed", schema: ref.schema("Order"), required: false },
      },
    },
  }),
);

const dashboard = defineAppContract({
  id: "dashboard@v1",
  displayName: "Dashboard",
  description: "Dashboard.",
  uses: { required: { orders: orders.use({ rpc: { call: ["Orders.Get"] } }) } },
});

interface TransportError {
  readonly code: "timeout";
}

type Call<R extends RpcShape> = (input: R["input"]) => AsyncResult<R["output"], R["error"] | TransportError>;
type Calls<C extends AnyContract> = Nested<{ readonly [N in keyof CallableRpc<C>]: Call<CallableRpc<C>[N]> }>;

interface Client<C extends AnyContract> {
  readonly rpc: Calls<C>;
  request<N extends keyof CallableRpc<C> & string>(
    name: N,
    input: CallableRpc<C>[N]["input"],
  ): AsyncResult<CallableRpc<C>[N]["output"], CallableRpc<C>[N]["error"] | TransportError>;
}

type Handler<R extends RpcShape> = (context: { readonly input: R["input"] }) => Promise<R["output"] | R["error"]>;
type Handle<C extends AnyContract> = Nested<{
  readonly [N in keyof RpcOf<C>]: (handler: Handler<RpcOf<C>[N]>) => void;
}>;

interface Bucket<V> {
  get(key: string): Promise<V>;
}
type Buckets<C extends AnyContract> = { readonly [A in keyof KvOf<C>]: IfRequired<KvOf<C>[A], BucketOf<KvOf<C>[A]>> };
type BucketOf<K extends KvShape> = Bucket<K["value"]>;

type Publish<C extends AnyContract> = Nested<{
  readonly [N in keyof PublishableEvents<C>]: (event: PublishableEvents<C>[N]["event"]) => void;
}>;
type Start<C extends AnyContract> = Nested<{
  readonly [N in keyof CallableOperations<C>]: (
    input: CallableOperations<C>[N]["input"],
  ) => CallableOperations<C>[N]["progress"];
}>;
type Watch<C extends AnyContract> = Nested<{
  readonly [N in keyof ReadableFeeds<C>]: (input: ReadableFeeds<C>[N]["input"]) => ReadableFeeds<C>[N]["event"];
}>;
type Listen<C extends AnyContract> = Nested<{
  readonly [N in keyof ListenableEvents<C>]: (listener: (event: ListenableEvents<C>[N]["event"]) => void) => void;
}>;

declare function connect<C extends AnyContract>(options: { readonly contract: C }): Client<C>;
declare function serve<C extends AnyContract>(options: { readonly contract: C }): { handle: Handle<C>; kv: Buckets<C> };

test("a client knows what its contract selected", () => {
  const client = connect({ contract: dashboard });
  const order = client.rpc.orders.get({ id: "o_1" });
  expectTypeOf(order).toEqualTypeOf<
    AsyncResult<{ id: string; total: number }, InstanceType<typeof Gone> | TransportError>
  >();
  expectTypeOf(client.request("Orders.Get", { id: "o_1" })).toEqualTypeOf<typeof order>();
  // @ts-expect-error input of another shape
  void client.rpc.orders.get({ name: "o_1" });
  // @ts-expect-error not selected
  void client.rpc.orders.list;
  // @ts-expect-error not used at all
  void client.rpc.billing;
  // @ts-expect-error no such name
  void client.request("Orders.List", {});
});

test("a service knows what it owns", () => {
  const service = serve({ contract: orders });
  service.handle.orders.get(async ({ input }) =>
    input.id === "" ? new Gone({ id: input.id }) : { id: input.id, total: 1 },
  );
  // @ts-expect-error output of another shape
  service.handle.orders.get(async () => ({ id: 1 }));
  expectTypeOf(service.kv.orders).toEqualTypeOf<Bucket<{ id: string; total: number }>>();
  expectTypeOf(service.kv.cache).toEqualTypeOf<Bucket<{ id: string; total: number }> | undefined>();
});

test("the other surfaces are built the same way", () => {
  const shop = defineServiceContract(
    {
      schemas: {
        Order: Type.Object({ id: Type.String(), total: Type.Number() }),
        Id: Type.Object({ id: Type.String() }),
      },
    },
    (ref) => ({
      id: "shop@v1",
      displayName: "Shop",
      description: "Shop.",
      operations: {
        "Shop.Ship": {
          version: "v1",
          input: ref.schema("Id"),
          progress: ref.schema("Order"),
          output: ref.schema("Order"),
        },
      },
      events: { "Shop.Sold": { version: "v1", event: ref.schema("Order") } },
      feeds: { "Shop.Live": { version: "v1", input: ref.schema("Id"), event: ref.schema("Order") } },
    }),
  );
  const page = defineAppContract({
    id: "page@v1",
    displayName: "Page",
    description: "Page.",
    uses: {
      required: {
        shop: shop.use({
          operations: { call: ["Shop.Ship"] },
          events: { publish: ["Shop.Sold"], subscribe: ["Shop.Sold"] },
          feeds: { subscribe: ["Shop.Live"] },
        }),
      },
    },
  });
  interface Order {
    id: string;
    total: number;
  }
  expectTypeOf<Publish<typeof shop>["shop"]["sold"]>().toEqualTypeOf<(event: Order) => void>();
  expectTypeOf<Publish<typeof page>["shop"]["sold"]>().toEqualTypeOf<(event: Order) => void>();
  expectTypeOf<Start<typeof page>["shop"]["ship"]>().toEqualTypeOf<(input: { id: string }) => Order>();
  expectTypeOf<Watch<typeof page>["shop"]["live"]>().toEqualTypeOf<(input: { id: string }) => Order>();
  expectTypeOf<Listen<typeof page>["shop"]["sold"]>().toEqualTypeOf<(listener: (event: Order) => void) => void>();
});

test("a contract from JSON calls by name with unknown values", () => {
  const client = connect({ contract: contractFromManifest(dashboard.manifest) });
  expectTypeOf(client.request("Anything.At.All", 1)).toExtend<AsyncResult<unknown, unknown>>();
});
