/**
 * From a definition as it was inferred to the shape the views read. Every member is a mapped type of its own, so
 * that the checker resolves only the surfaces that are touched.
 */
import type { ContractUse } from "./contract.ts";
import type { AnyErrorClass } from "./define-error.ts";
import type { Definition, GlobalKeys, InferNamed, Member } from "./definition.ts";
import type { ContractKind } from "./manifest.ts";
import type { ContractShape, UsedShape } from "./shape.ts";

/** The shape of a contract defined as `D` with these schemas and errors. */
export interface DefinedShape<
  K extends ContractKind,
  D extends Definition,
  Schemas,
  Errors extends { readonly [name: string]: AnyErrorClass },
> {
  readonly id: D["id"];
  readonly kind: K;
  readonly capabilities: GlobalKeys<D>;
  readonly rpc: RpcShapes<Member<D, "rpc">, Schemas, Errors>;
  readonly operations: OperationShapes<Member<D, "operations">, Schemas, Errors>;
  readonly events: EventShapes<Member<D, "events">, Schemas>;
  readonly feeds: FeedShapes<Member<D, "feeds">, Schemas>;
  readonly jobs: JobShapes<Member<D, "jobs">, Schemas>;
  readonly kv: KvShapes<Member<Member<D, "resources">, "kv">, Schemas>;
  readonly store: StoreShapes<Member<Member<D, "resources">, "store">>;
  readonly state: StateShapes<Member<D, "state">, Schemas>;
  readonly eventConsumers: ConsumerShapes<Member<D, "eventConsumers">>;
  readonly errors: Errors;
  readonly uses: UsedShapes<Member<Member<D, "uses">, "required">, Member<Member<D, "uses">, "optional">>;
}

/** The type behind an optional reference; `undefined` when it is left out. */
type Optional<Schemas, Surface, K extends string> = Surface extends { readonly [P in K]: infer Ref }
  ? InferNamed<Schemas, Ref>
  : undefined;

type RpcShapes<R, Schemas, Errors> = {
  readonly [N in keyof R]: {
    readonly input: InferNamed<Schemas, Member<R[N], "input">>;
    readonly output: InferNamed<Schemas, Member<R[N], "output">>;
    readonly error: InstancesOf<Errors, R[N]>;
    readonly transfer: R[N] extends { readonly transfer: object } ? true : false;
  };
};

type InstancesOf<Errors, Rpc> = Rpc extends { readonly errors: readonly { readonly type: infer T }[] }
  ? InstanceOf<Errors[T & keyof Errors]>
  : never;

type InstanceOf<Class> = Class extends new (...fields: never) => infer Instance ? Instance : never;

type OperationShapes<O, Schemas, Errors> = {
  readonly [N in keyof O]: {
    readonly input: InferNamed<Schemas, Member<O[N], "input">>;
    readonly progress: Optional<Schemas, O[N], "progress">;
    readonly output: InferNamed<Schemas, Member<O[N], "output">>;
    readonly error: InstancesOf<Errors, O[N]>;
    readonly signals: {
      readonly [S in keyof Member<O[N], "signals">]: InferNamed<Schemas, Member<Member<O[N], "signals">[S], "input">>;
    };
    readonly cancel: O[N] extends { readonly cancel: true } ? true : false;
    readonly transfer: O[N] extends { readonly transfer: object } ? true : false;
  };
};

type EventShapes<E, Schemas> = {
  readonly [N in keyof E]: {
    readonly event: InferNamed<Schemas, Member<E[N], "event">>;
    readonly params: WithoutSlash<Item<Member<E[N], "params">>>;
  };
};

type WithoutSlash<Pointer> = Pointer extends `/${infer Path}` ? Path : never;

type FeedShapes<F, Schemas> = {
  readonly [N in keyof F]: {
    readonly input: InferNamed<Schemas, Member<F[N], "input">>;
    readonly event: InferNamed<Schemas, Member<F[N], "event">>;
  };
};

type JobShapes<J, Schemas> = {
  readonly [Q in keyof J]: {
    readonly payload: InferNamed<Schemas, Member<J[Q], "payload">>;
    readonly result: Optional<Schemas, J[Q], "result">;
  };
};

type KvShapes<R, Schemas> = {
  readonly [A in keyof R]: {
    readonly value: InferNamed<Schemas, Member<R[A], "schema">>;
    readonly required: Required<R[A]>;
  };
};

type StoreShapes<R> = { readonly [A in keyof R]: { readonly required: Required<R[A]> } };

type Required<Resource> = Resource extends { readonly required: infer Given extends boolean } ? Given : true;

type StateShapes<S, Schemas> = {
  readonly [N in keyof S]: {
    readonly kind: S[N] extends { readonly kind: infer Kind extends "value" | "map" } ? Kind : "value" | "map";
    readonly value: InferNamed<Schemas, Member<S[N], "schema">>;
    readonly accepted: {
      readonly [V in keyof Member<S[N], "acceptedVersions">]: InferNamed<Schemas, Member<S[N], "acceptedVersions">[V]>;
    };
  };
};

type ConsumerShapes<C> = {
  readonly [G in keyof C]: {
    readonly uses: { readonly [A in keyof Member<C[G], "uses">]: Item<Member<C[G], "uses">[A]> };
    readonly self: Item<Member<C[G], "self">>;
  };
};

/** The names in a list; none when there is no list. */
type Item<List> = List extends readonly (infer Name extends string)[] ? Name : never;

/** An alias under both counts as required. */
type UsedShapes<R, O> = { readonly [A in keyof R]: Used<R[A], true> } & {
  readonly [A in Exclude<keyof O, keyof R>]: Used<O[A], false>;
};

type Used<U, IsRequired extends boolean> =
  U extends ContractUse<infer S extends ContractShape, infer Sel>
    ? {
        readonly shape: S;
        readonly call: Selected<Sel, "rpc", "call">;
        readonly operations: Selected<Sel, "operations", "call">;
        readonly publish: Selected<Sel, "events", "publish">;
        readonly subscribe: Selected<Sel, "events", "subscribe">;
        readonly feeds: Selected<Sel, "feeds", "subscribe">;
        readonly required: IsRequired;
      }
    : UsedShape;

type Selected<Sel, Surface extends string, Action extends string> = Item<Member<Member<Sel, Surface>, Action>>;
