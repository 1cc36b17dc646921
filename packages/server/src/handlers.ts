import type { Contract, ContractShape, RpcShape, SurfaceGroup, SurfaceLeaf } from "@trellis/contracts";
import type { Result } from "@trellis/result";
import type { Caller } from "./authority.ts";
import type { BuiltInError } from "./built-in-error.ts";
import type { EventRegistrars } from "./consumers/event-handlers.ts";
import type { FeedRegistrars } from "./feeds/feed-handlers.ts";
import type { Log } from "./log.ts";
import type { OperationRegistrars } from "./operations/operation-handlers.ts";
import type { TransferSource } from "./transfers/transfer-source.ts";

/** What a handler gets. Members are made when they are touched: take the ones you need. */
export interface HandlerContext<Input, Client = unknown, Deps = unknown> {
  /** Checked against the contract's schema. */
  readonly input: Input;
  /** Who asks, as the control plane knows them. */
  readonly caller: Caller;
  /** The service's log with this request on every line. */
  readonly log: Log;
  /** Aborts when nobody waits for the answer any more: at the caller's deadline, or when a drain runs out of time. */
  readonly signal: AbortSignal;
  /** Milliseconds until the caller's deadline. */
  readonly remainingMs: number;
  /** Whether the caller holds a capability (its global key: `orders::read`). */
  may(capability: string): boolean;
  /** Calls what the contract uses. */
  readonly client: Client;
  /** What the service was connected with. */
  readonly deps: Deps;
}

/** A `Result`, an `AsyncResult` or a promise of one. */
export type HandlerResult<Output, Failure> =
  Result<Output, Failure | BuiltInError> | PromiseLike<Result<Output, Failure | BuiltInError>>;

/** What a handler answers with: the output, and where the contract says so the bytes that go with it. */
export type RpcAnswer<R extends RpcShape> = R["transfer"] extends true
  ? { readonly output: R["output"]; readonly source: TransferSource }
  : R["output"];

/** Answers one RPC. A declared error may also be thrown; anything else that is thrown stays in the log. */
export type RpcHandler<R extends RpcShape, Client = unknown, Deps = unknown> = (
  context: HandlerContext<R["input"], Client, Deps>,
) => HandlerResult<RpcAnswer<R>, R["error"]>;

type GroupsOf<M> = SurfaceGroup<keyof M & string>;

/** `handle.rpc.<group>.<leaf>(handler)`, one for every RPC the contract owns. */
export type RpcRegistrars<S extends ContractShape, Client = unknown, Deps = unknown> = {
  readonly [G in GroupsOf<S["rpc"]>]: {
    readonly [N in keyof S["rpc"] & string as SurfaceGroup<N> extends G ? SurfaceLeaf<N> : never]: (
      handler: RpcHandler<S["rpc"][N], Client, Deps>,
    ) => void;
  };
};

/** A handler for every RPC the contract owns, by logical name. */
export type RpcHandlers<S extends ContractShape, Client = unknown, Deps = unknown> = {
  readonly [N in keyof S["rpc"]]: RpcHandler<S["rpc"][N], Client, Deps>;
};

/** How a service says what answers what. */
export interface Handle<S extends ContractShape, Client = unknown, Deps = unknown> {
  readonly rpc: RpcRegistrars<S, Client, Deps>;
  /** `handle.events.<group>(handler)`; every consumer group of the contract needs one before the service runs. */
  readonly events: EventRegistrars<Contract<S>, Client, Deps>;
  /** `handle.feed.<group>.<leaf>(async function* …)`, one for every feed of the contract. */
  readonly feed: FeedRegistrars<S, Client, Deps>;
  /** `handle.operation.<group>.<leaf>(handler)`, one for every operation of the contract. */
  readonly operation: OperationRegistrars<S, Client, Deps>;
  /** All at once: one that is forgotten or does not exist is a type error. */
  readonly all: (handlers: RpcHandlers<S, Client, Deps>) => void;
}

/** A handler once its types have done their work. */
export type AnyHandler = (context: HandlerContext<unknown>) => unknown;
