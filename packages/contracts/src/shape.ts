/**
 * The type-level side of a contract: what `~shape` holds. It has no value at run time; `types.ts` reads it.
 */
import type { AnyErrorClass } from "./define-error.ts";
import type { ContractKind } from "./manifest.ts";

export interface RpcShape {
  readonly input: unknown;
  readonly output: unknown;
  /** The union of the declared errors' instances; `never` when none is declared. */
  readonly error: unknown;
  /** Whether the caller receives a transfer. */
  readonly transfer: boolean;
}

export interface OperationShape {
  readonly input: unknown;
  /** `undefined` when the operation reports no progress. */
  readonly progress: unknown;
  readonly output: unknown;
  /** The union of the declared errors' instances; `never` when none is declared. */
  readonly error: unknown;
  /** Signal name → its input. */
  readonly signals: object;
  readonly cancel: boolean;
  /** Whether the caller sends a transfer. */
  readonly transfer: boolean;
}

export interface EventShape {
  readonly event: unknown;
  /** The parameters of its subject, as pointers without the leading slash; `never` when it has none. */
  readonly params: string;
}

export interface FeedShape {
  readonly input: unknown;
  readonly event: unknown;
}

export interface JobShape {
  readonly payload: unknown;
  /** `undefined` when the job has no result. */
  readonly result: unknown;
}

export interface KvShape {
  readonly value: unknown;
  /** `false` when the contract can live without the bucket. */
  readonly required: boolean;
}

export interface StoreShape {
  readonly required: boolean;
}

export interface StateShape {
  readonly kind: "value" | "map";
  readonly value: unknown;
  /** Older versions that are still read: version → value. */
  readonly accepted: object;
}

/** One consumer group: the logical names of what it consumes. */
export interface EventConsumerShape {
  /** Alias → names of its events. */
  readonly uses: object;
  /** Names of the contract's own events. */
  readonly self: string;
}

/** One alias under `uses`: the shape of the contract behind it, and the names it selects. */
export interface UsedShape {
  readonly shape: ContractShape;
  readonly call: string;
  readonly operations: string;
  readonly publish: string;
  readonly subscribe: string;
  readonly feeds: string;
  readonly required: boolean;
}

/** Everything the type system knows about a contract. The interface itself is the shape of an unknown one. */
export interface ContractShape {
  readonly id: string;
  readonly kind: ContractKind;
  /** Global keys of the declared capabilities. */
  readonly capabilities: string;
  readonly rpc: { readonly [name: string]: RpcShape };
  readonly operations: { readonly [name: string]: OperationShape };
  readonly events: { readonly [name: string]: EventShape };
  readonly feeds: { readonly [name: string]: FeedShape };
  readonly jobs: { readonly [queue: string]: JobShape };
  readonly kv: { readonly [alias: string]: KvShape };
  readonly store: { readonly [alias: string]: StoreShape };
  readonly state: { readonly [store: string]: StateShape };
  readonly eventConsumers: { readonly [group: string]: EventConsumerShape };
  readonly errors: { readonly [name: string]: AnyErrorClass };
  readonly uses: { readonly [alias: string]: UsedShape };
}
