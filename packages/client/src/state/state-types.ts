import type { AnyContract, StateOf } from "@trellis/contracts";
import type { AsyncResult } from "@trellis/result";
import type { Refused, StateConflict, StateUnreadable } from "@trellis/sdk";
import type { CallError } from "../call-error.ts";

/** Why the state did not do what it was asked. */
export type StateError =
  | InstanceType<typeof StateConflict>
  | InstanceType<typeof StateUnreadable>
  /** A limit, a key that is none, a store the contract does not declare; `code` says which. */
  | InstanceType<typeof Refused>
  | CallError;

/** What is stored, in the version the contract writes. */
export interface StateEntry<V> {
  readonly value: V;
  /** Grows with every write; `expectedRevision` takes it. */
  readonly revision: number;
  /** When it was stored, by the clock of NATS. */
  readonly at: Date;
  readonly migrationRequired?: undefined;
}

/** What an older version of the contract stored, for each version the contract still accepts. */
export type OlderStateEntry<Accepted> = {
  readonly [V in keyof Accepted & string]: {
    readonly value?: undefined;
    readonly revision: number;
    readonly at: Date;
    /** Make today's value of it and put it with this `revision` as the expected one; or read through `migrating`. */
    readonly migrationRequired: { readonly stateVersion: V; readonly value: Accepted[V] };
  };
}[keyof Accepted & string];

/** An entry as it is read. */
export type StateRead<V, Accepted> = StateEntry<V> | OlderStateEntry<Accepted>;

/** An entry of a map. */
export type StateMapRead<V, Accepted> = StateRead<V, Accepted> & { readonly key: string };

/** How long a request may take, repetitions after an outage included; 10 s unless said otherwise. */
export interface StateCallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StateConditionOptions extends StateCallOptions {
  /** Only if the entry is still at this revision; 0: only if there is none. Otherwise `StateConflict`. */
  readonly expectedRevision?: number;
}

export interface StatePutOptions extends StateConditionOptions {
  /** It ends by itself after this long, by whole seconds. */
  readonly ttlMs?: number;
}

export interface StateListOptions extends StateCallOptions {
  /** The keys begin with this. */
  readonly prefix?: string;
  /** At most 500; 100 unless said otherwise. */
  readonly limit?: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface StateWatchOptions {
  readonly signal?: AbortSignal;
}

/** A part of a map, in the order of the last writes. It may hold fewer than asked for and still have a next. */
export interface StatePage<V, Accepted> {
  readonly entries: readonly StateMapRead<V, Accepted>[];
  /** Entries that this version of the contract cannot read. */
  readonly unreadable: readonly InstanceType<typeof StateUnreadable>[];
  readonly nextCursor?: string;
}

/** What became of a value; `gone`: it was missing when everything was read again, and nothing says why. */
export interface StateEnd {
  readonly type: "end";
  readonly reason: "deleted" | "expired" | "purged" | "gone";
}

/** What a watch tells; `ready` comes once, when everything there was has been told. */
export type StateChange<Read> =
  | ({ readonly type: "put" } & Read)
  | StateEnd
  | { readonly type: "unreadable"; readonly error: InstanceType<typeof StateUnreadable> }
  | { readonly type: "ready" };

/** The same for an entry of a map. */
export type StateMapChange<Read> =
  | ({ readonly type: "put" } & Read)
  | (StateEnd & { readonly key: string })
  | { readonly type: "unreadable"; readonly key: string; readonly error: InstanceType<typeof StateUnreadable> }
  | { readonly type: "ready" };

/** Makes today's value of one an older version stored, for every version that is accepted. */
export type StateMigrations<V, Accepted> = {
  readonly [Version in keyof Accepted & string]: (value: Accepted[Version]) => V;
};

/** The older versions of a store nobody knows. */
interface AnyVersions {
  readonly [version: string]: unknown;
}

/** One value of the person or device, whichever of its sessions looks. */
export interface StateValue<V = unknown, Accepted = AnyVersions> {
  get(options?: StateCallOptions): AsyncResult<StateRead<V, Accepted> | undefined, StateError>;
  /** Stores it; sent again after an outage it happens once. */
  put(value: V, options?: StatePutOptions): AsyncResult<{ readonly revision: number }, StateError>;
  /** Ends it. `existed` says whether there was one; after an outage it may say no although this ended it. */
  delete(options?: StateConditionOptions): AsyncResult<{ readonly existed: boolean }, StateError>;
  /** The present value, `ready`, and every change whoever makes it, until the signal aborts or the loop is left. */
  watch(options?: StateWatchOptions): AsyncIterable<StateChange<StateRead<V, Accepted>>>;
  /** The same store, whose older values are read as today's. Nothing is written by reading. */
  migrating(migrations: StateMigrations<V, Accepted>): StateValue<V, {}>;
}

/** Many values of the person or device by key. Segments of a key stand between single `/`. */
export interface StateMap<V = unknown, Accepted = AnyVersions> {
  get(key: string, options?: StateCallOptions): AsyncResult<StateMapRead<V, Accepted> | undefined, StateError>;
  put(key: string, value: V, options?: StatePutOptions): AsyncResult<{ readonly revision: number }, StateError>;
  delete(key: string, options?: StateConditionOptions): AsyncResult<{ readonly existed: boolean }, StateError>;
  list(options?: StateListOptions): AsyncResult<StatePage<V, Accepted>, StateError>;
  watch(
    options?: StateWatchOptions & { readonly prefix?: string },
  ): AsyncIterable<StateMapChange<StateMapRead<V, Accepted>>>;
  migrating(migrations: StateMigrations<V, Accepted>): StateMap<V, {}>;
}

interface StateFacts {
  readonly kind: "value" | "map";
  readonly value: unknown;
  readonly accepted: object;
}

type StateStore<S extends StateFacts> = S["kind"] extends "value"
  ? StateValue<S["value"], S["accepted"]>
  : S["kind"] extends "map"
    ? StateMap<S["value"], S["accepted"]>
    : StateValue | StateMap;

/**
 * `client.state.<store>`: the stores the contract declares under `state`. Of a contract whose shape is not known there
 * are none, so that every client can stand for a client of any contract.
 */
export type ClientState<C extends AnyContract> = AnyContract extends C
  ? unknown
  : {
      readonly [N in keyof StateOf<C>]: StateOf<C>[N] extends StateFacts ? StateStore<StateOf<C>[N]> : never;
    };
