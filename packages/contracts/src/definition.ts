/**
 * What authors write: the members of the manifest, without what is derived (subjects, global keys, contract ids of
 * uses) and with names checked against what the same contract declares.
 */
import type { AnyUse, ContractUse } from "./contract.ts";
import type {
  CapabilityMeta,
  Docs,
  EventManifest,
  EventConsumerManifest,
  JobManifest,
  KvManifest,
  OperationManifest,
  OperationTransfer,
  RpcManifest,
  StateManifest,
  StoreManifest,
} from "./manifest.ts";
import type { PointersOf, Resolves } from "./pointer.ts";
import type { ContractShape } from "./shape.ts";
import type { InferSchema } from "./standard-schema.ts";

/** A reference to a declared schema; made by `ref.schema`. */
export interface NamedSchema<N extends string = string> {
  readonly schema: N;
}

/** A reference to a declared error; made by `ref.error`. */
export interface NamedError<N extends string = string> {
  readonly type: N;
}

/**
 * Where every member is optional the constraint is left open and `Checked` closes it: a mistyped member would
 * otherwise make inference give the whole definition up, and every other check with it.
 */
interface Open {
  readonly [member: string]: unknown;
}

/** Capabilities by action; `Checked` knows which actions a surface has. */
interface CapabilityLists {
  readonly [action: string]: readonly string[];
}

/** What every surface says about itself. */
interface SurfaceDefinition {
  readonly version: string;
  readonly capabilities?: CapabilityLists;
  readonly docs?: Docs & Open;
}

export interface RpcDefinition<SN extends string = string, EN extends string = string>
  extends SurfaceDefinition, Pick<RpcManifest, "transfer" | "once"> {
  readonly input: NamedSchema<SN>;
  readonly output: NamedSchema<SN>;
  readonly errors?: readonly NamedError<EN>[];
}

export interface OperationDefinition<SN extends string = string, EN extends string = string>
  extends
    SurfaceDefinition,
    Pick<OperationManifest, "cancel" | "maxAttempts" | "backoffMs" | "defaultDeadlineMs" | "retentionMs"> {
  readonly input: NamedSchema<SN>;
  readonly progress?: NamedSchema<SN>;
  readonly output: NamedSchema<SN>;
  readonly signals?: { readonly [name: string]: { readonly input: NamedSchema<SN> } };
  readonly transfer?: OperationTransfer;
  readonly errors?: readonly NamedError<EN>[];
}

export interface EventDefinition<SN extends string = string> extends SurfaceDefinition, Pick<EventManifest, "params"> {
  readonly event: NamedSchema<SN>;
}

export interface FeedDefinition<SN extends string = string> extends SurfaceDefinition {
  readonly input: NamedSchema<SN>;
  readonly event: NamedSchema<SN>;
}

export interface JobDefinition<SN extends string = string> extends Omit<JobManifest, "payload" | "result"> {
  readonly payload: NamedSchema<SN>;
  readonly result?: NamedSchema<SN>;
}

export interface StateDefinition<SN extends string = string> extends Omit<
  StateManifest,
  "schema" | "acceptedVersions"
> {
  readonly schema: NamedSchema<SN>;
  readonly acceptedVersions?: { readonly [version: string]: NamedSchema<SN> };
}

export interface KvDefinition<SN extends string = string> extends Omit<KvManifest, "schema"> {
  readonly schema: NamedSchema<SN>;
}

/** The three defaults (`new`, `strict`, 1) may be left out; the manifest says them. */
export type EventConsumerDefinition = Partial<EventConsumerManifest>;

/** Everything a contract may say. */
export interface Definition<SN extends string = string, EN extends string = string> {
  readonly id: string;
  readonly displayName: string;
  readonly description: string;
  readonly docs?: Docs & Open;
  /** By local name; the manifest has the global key, `read` → `orders::read`. */
  readonly capabilities?: { readonly [local: string]: CapabilityMeta };
  readonly exports?: { readonly schemas?: readonly SN[] } & Open;
  readonly uses?: {
    readonly required?: { readonly [alias: string]: AnyUse };
    readonly optional?: { readonly [alias: string]: AnyUse };
  } & Open;
  readonly rpc?: { readonly [name: string]: RpcDefinition<SN, EN> };
  readonly operations?: { readonly [name: string]: OperationDefinition<SN, EN> };
  readonly events?: { readonly [name: string]: EventDefinition<SN> };
  readonly feeds?: { readonly [name: string]: FeedDefinition<SN> };
  readonly jobs?: { readonly [queue: string]: JobDefinition<SN> };
  readonly eventConsumers?: { readonly [group: string]: EventConsumerDefinition & Open };
  readonly state?: { readonly [store: string]: StateDefinition<SN> };
  readonly resources?: {
    readonly kv?: { readonly [alias: string]: KvDefinition<SN> };
    readonly store?: { readonly [alias: string]: StoreManifest };
  } & Open;
}

/** A member of a definition, or nothing when it is left out. */
export type Member<D, K extends string> = D extends { readonly [P in K]: infer M } ? M : {};

/** Members nobody knows are type errors; inference alone would let them pass. */
type KnownOnly<T, K extends PropertyKey> = { readonly [P in Exclude<keyof T, K>]: "there is no such member here" };

/** Where a list is written as literals each must be known; a list of plain `string` is left to the run time. */
type ListOf<Given, Allowed> = Given extends readonly (infer Item)[]
  ? string extends Item
    ? Given
    : readonly Allowed[]
  : unknown;

/** The name of a contract without its version. */
export type ContractName<Id> = Id extends `${infer Name}@${string}` ? Name : string;

/** The names of the capabilities a contract declares, as global keys. */
export type GlobalKeys<D> = `${ContractName<Member<D, "id">>}::${keyof Member<D, "capabilities"> & string}`;

/** Every alias of a definition with what stands behind it. */
export type AliasesOf<D> = Member<Member<D, "uses">, "required"> & Member<Member<D, "uses">, "optional">;

type UsedKeys<Aliases> = {
  readonly [A in keyof Aliases]: Aliases[A] extends ContractUse<infer S extends ContractShape, infer _>
    ? S["capabilities"]
    : never;
}[keyof Aliases];

/** The allowed names are written out here, without an alias, so that messages list them. */
type CheckedSurface<D, Surface, Known extends PropertyKey, Actions extends string> = KnownOnly<Surface, Known> &
  CheckedDocs<Surface> & {
    readonly capabilities?: {
      readonly [A in keyof Member<Surface, "capabilities">]: A extends Actions
        ? ListOf<
            Member<Surface, "capabilities">[A],
            (keyof Member<D, "capabilities"> & string) | GlobalKeys<D> | UsedKeys<AliasesOf<D>> | "service" | "admin"
          >
        : never;
    };
  };

type CheckedDocs<Surface> = { readonly docs?: KnownOnly<Member<Surface, "docs">, keyof Docs> };

type CheckedParams<Schemas, Event> = {
  readonly params?: CheckedPointers<InferNamed<Schemas, Member<Event, "event">>, Member<Event, "params">>;
};

type CheckedPointers<Payload, Pointers> = Pointers extends readonly (infer P)[]
  ? readonly (GoodPointer<Payload, P> | PointersOf<Payload>)[]
  : unknown;

/** The pointers of a list that are right; plain `string` is left to the run time. */
type GoodPointer<Payload, P> = P extends string
  ? string extends P
    ? P
    : Resolves<Payload, P> extends true
      ? P
      : never
  : never;

/** The static type behind a reference. */
export type InferNamed<Schemas, Ref> = Ref extends { readonly schema: infer N extends keyof Schemas }
  ? InferSchema<Schemas[N]>
  : unknown;

type SubscribedBy<Use> = Use extends {
  readonly selection: { readonly events: { readonly subscribe: readonly (infer N)[] } };
}
  ? N
  : never;

type CheckedConsumer<D, Consumer> = KnownOnly<Consumer, keyof EventConsumerDefinition> & {
  readonly self?: ListOf<Member<Consumer, "self">, keyof Member<D, "events">>;
  readonly uses?: {
    readonly [A in keyof Member<Consumer, "uses">]: A extends keyof AliasesOf<D>
      ? ListOf<Member<Consumer, "uses">[A], SubscribedBy<AliasesOf<D>[A]>>
      : "there is no such alias under uses";
  };
};

/** What inference cannot say about a definition: names that must exist in the same definition. */
export type Checked<D, Schemas, Extra extends PropertyKey = never> = KnownOnly<D, keyof Definition | Extra> &
  CheckedDocs<D> & {
    readonly rpc?: {
      readonly [N in keyof Member<D, "rpc">]: CheckedSurface<D, Member<D, "rpc">[N], keyof RpcDefinition, "call">;
    };
    readonly operations?: {
      readonly [N in keyof Member<D, "operations">]: CheckedSurface<
        D,
        Member<D, "operations">[N],
        keyof OperationDefinition,
        "call" | "observe" | "cancel" | "control"
      > &
        CheckedTransfer<D, Member<D, "operations">[N]>;
    };
    readonly events?: {
      readonly [N in keyof Member<D, "events">]: CheckedSurface<
        D,
        Member<D, "events">[N],
        keyof EventDefinition,
        "publish" | "subscribe"
      > &
        CheckedParams<Schemas, Member<D, "events">[N]>;
    };
    readonly feeds?: {
      readonly [N in keyof Member<D, "feeds">]: CheckedSurface<
        D,
        Member<D, "feeds">[N],
        keyof FeedDefinition,
        "subscribe"
      >;
    };
    readonly jobs?: { readonly [Q in keyof Member<D, "jobs">]: KnownOnly<Member<D, "jobs">[Q], keyof JobDefinition> };
    readonly state?: {
      readonly [N in keyof Member<D, "state">]: KnownOnly<Member<D, "state">[N], keyof StateDefinition>;
    };
    readonly eventConsumers?: {
      readonly [G in keyof Member<D, "eventConsumers">]: CheckedConsumer<D, Member<D, "eventConsumers">[G]>;
    };
    readonly exports?: KnownOnly<Member<D, "exports">, "schemas">;
    readonly uses?: {
      readonly [
        A in Exclude<keyof Member<D, "uses">, "required" | "optional">
      ]: "put this alias under uses.required or uses.optional";
    };
    readonly resources?: CheckedResources<Member<D, "resources">>;
  };

type CheckedResources<R> = {
  readonly [
    K in Exclude<keyof R, "kv" | "store">
  ]: "there are only resources.kv and resources.store; events are kept for you";
} & {
  readonly kv?: { readonly [A in keyof Member<R, "kv">]: KnownOnly<Member<R, "kv">[A], keyof KvDefinition> };
  readonly store?: { readonly [A in keyof Member<R, "store">]: KnownOnly<Member<R, "store">[A], keyof StoreManifest> };
};

type CheckedTransfer<D, Operation> = {
  readonly transfer?: {
    readonly [K in keyof Member<Operation, "transfer">]: K extends "store"
      ? OneOf<Member<Operation, "transfer">[K], keyof Member<Member<D, "resources">, "store">>
      : K extends keyof OperationTransfer
        ? unknown
        : never;
  };
};

/** An object type instead of a name: two literals that exclude each other would erase the whole transfer from messages. */
type OneOf<Given, Allowed> = string extends Given
  ? Given
  : Given extends Allowed
    ? Given
    : { readonly "declare this store under resources.store": true };
