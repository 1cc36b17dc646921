/**
 * What a contract means in the type system. Every view is one mapped type over names, `Name → facts`; `Nested`
 * turns a view into the groups and leaves code sees (`rpc.orders.get`).
 */
import type { AnyContract } from "./contract.ts";
import type { SurfaceGroup, SurfaceLeaf } from "./names.ts";
import type { ContractShape, EventShape, FeedShape, OperationShape, RpcShape, UsedShape } from "./shape.ts";

/** Everything the types know about a contract. */
export type ShapeOf<C extends AnyContract> = C extends { readonly "~shape"?: infer S extends ContractShape }
  ? S
  : ContractShape;

/** The RPCs a contract owns: what a service must handle. */
export type RpcOf<C extends AnyContract> = ShapeOf<C>["rpc"];

/** The operations a contract owns. */
export type OperationsOf<C extends AnyContract> = ShapeOf<C>["operations"];

/** The events a contract owns. */
export type EventsOf<C extends AnyContract> = ShapeOf<C>["events"];

/** The feeds a contract owns. */
export type FeedsOf<C extends AnyContract> = ShapeOf<C>["feeds"];

/** The job queues of a contract. */
export type JobsOf<C extends AnyContract> = ShapeOf<C>["jobs"];

/** The KV buckets of a contract; see `IfRequired` for those that may be missing. */
export type KvOf<C extends AnyContract> = ShapeOf<C>["kv"];

/** The object stores of a contract. */
export type StoreOf<C extends AnyContract> = ShapeOf<C>["store"];

/** The state stores of a contract. */
export type StateOf<C extends AnyContract> = ShapeOf<C>["state"];

/** The errors a contract declares: type → class. */
export type ErrorsOf<C extends AnyContract> = ShapeOf<C>["errors"];

/** What a resource is to its owner: possibly missing when the contract says `required: false`. */
export type IfRequired<R extends { readonly required: boolean }, T> = R["required"] extends true ? T : T | undefined;

/** The RPCs a contract may call: selected from the contracts it uses. */
export type CallableRpc<C extends AnyContract> = Selected<ShapeOf<C>["uses"], "call", "rpc", RpcShape>;

/** The operations a contract may start. */
export type CallableOperations<C extends AnyContract> = Selected<
  ShapeOf<C>["uses"],
  "operations",
  "operations",
  OperationShape
>;

/** The events a contract may publish: its own and those selected. */
export type PublishableEvents<C extends AnyContract> = Publishable<
  EventsOf<C>,
  Selected<ShapeOf<C>["uses"], "publish", "events", EventShape>
>;

/** The events of other contracts a contract may listen to. */
export type ListenableEvents<C extends AnyContract> = Selected<ShapeOf<C>["uses"], "subscribe", "events", EventShape>;

/** The feeds a contract may read. */
export type ReadableFeeds<C extends AnyContract> = Selected<ShapeOf<C>["uses"], "feeds", "feeds", FeedShape>;

/** Consumer group → logical name → payload, for every event the group consumes. */
export type EventConsumersOf<C extends AnyContract> = {
  readonly [G in keyof ShapeOf<C>["eventConsumers"]]: ConsumedBy<ShapeOf<C>, ShapeOf<C>["eventConsumers"][G]>;
};

/** Groups and leaves: `{ "Trellis.Surface.Status": T }` becomes `{ trellis: { surfaceStatus: T } }`. */
export type Nested<M> = {
  readonly [G in SurfaceGroup<keyof M & string>]: {
    readonly [N in keyof M & string as SurfaceGroup<N> extends G ? SurfaceLeaf<N> : never]: M[N];
  };
};

/** The union of the errors a surface declares; `never` when there is none. */
export type ErrorOf<Surface extends { readonly error: unknown }> = Surface["error"];

/** Which list of a used shape selects from which of its surfaces. */
type SelectionList = "call" | "operations" | "publish" | "subscribe" | "feeds";

type Surfaces = "rpc" | "operations" | "events" | "feeds";

/** Without renamed keys, so that generic code may index it: `CallableRpc<C>[N]["input"]`. */
type Selected<Uses, List extends SelectionList, Surface extends Surfaces, Shape> = {
  readonly [N in NamesIn<Uses, List>]: SelectedSurface<Uses, List, Surface, N> extends infer Found extends Shape
    ? Found
    : never;
};

type NamesIn<Uses, List extends SelectionList> = {
  readonly [A in keyof Uses]: Uses[A] extends UsedShape ? Uses[A][List] : never;
}[keyof Uses];

/** Names are unique among the aliases, so one of them has it. */
type SelectedSurface<Uses, List extends SelectionList, Surface extends Surfaces, N extends string> = {
  readonly [A in keyof Uses]: Uses[A] extends UsedShape
    ? N extends Uses[A][List]
      ? Uses[A]["shape"][Surface][N]
      : never
    : never;
}[keyof Uses];

type Publishable<Own, Used> = {
  readonly [N in keyof Own | keyof Used]: Either<Own, Used, N> extends infer Found extends EventShape ? Found : never;
};

type Joined<A, B> = { readonly [N in keyof A | keyof B]: Either<A, B, N> };

type Either<A, B, N> = N extends keyof A ? A[N] : N extends keyof B ? B[N] : never;

type ConsumedBy<S extends ContractShape, Consumer extends { readonly uses: object; readonly self: string }> = Joined<
  { readonly [N in Consumer["self"]]: PayloadOf<S["events"][N]> },
  ConsumedFrom<S["uses"], Consumer["uses"]>
>;

type ConsumedFrom<Uses, Lists> = {
  readonly [P in ConsumedName<Lists> as P["name"]]: Uses[P["alias"] & keyof Uses] extends UsedShape
    ? PayloadOf<Uses[P["alias"] & keyof Uses]["shape"]["events"][P["name"]]>
    : unknown;
};

/** Each name of the lists with its alias. */
type ConsumedName<Lists> = {
  readonly [A in keyof Lists]: Lists[A] extends infer N
    ? N extends string
      ? { readonly alias: A; readonly name: N }
      : never
    : never;
}[keyof Lists];

type PayloadOf<Event> = Event extends { readonly event: infer Payload } ? Payload : unknown;
