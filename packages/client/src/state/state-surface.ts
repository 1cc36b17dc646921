import type { AnyContract } from "@trellis/contracts";
import { randomToken } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { FeedReading } from "../feeds/feed-types.ts";
import type { UntypedFeeds } from "../feeds/make-feeds.ts";
import type { StateCalls } from "./state-calls.ts";
import type { StateCallOptions, StateConditionOptions, StateListOptions, StatePutOptions } from "./state-types.ts";
import { type AnyMigrations, StoredState, type WireEntry, type WireUnreadable } from "./stored-state.ts";
import { type WireChange, watchState } from "./watch-state.ts";

/** What the stores of one client share. */
export interface StateTransport {
  readonly calls: StateCalls;
  readonly feeds: UntypedFeeds;
}

/** Names one put, so that its repetitions are recognised. */
const WRITE_ID_CHARACTERS = 16;

/** Builds `client.state.<store>` from what a contract declares. */
export function stateSurface(contract: AnyContract, transport: StateTransport): { readonly [store: string]: object } {
  const { manifest } = contract;
  // A service that says it has state was refused before it got here.
  return Object.fromEntries(
    Object.keys(manifest.state ?? {}).map((store) => [store, makeStore(contract, store, transport, undefined)]),
  );
}

function makeStore(
  contract: AnyContract,
  store: string,
  transport: StateTransport,
  migrations: AnyMigrations | undefined,
): object {
  const state = new StoredState(contract.manifest, store, migrations);
  const access = new StoreAccess(state, transport);
  const migrating = (given: AnyMigrations): object => makeStore(contract, store, transport, given);
  if (state.kind === "value")
    return {
      get: (options?: StateCallOptions) => run(access.get(undefined, options)),
      put: (value: unknown, options?: StatePutOptions) => run(access.put(undefined, value, options)),
      delete: (options?: StateConditionOptions) => run(access.delete(undefined, options)),
      watch: (options?: WatchOptions) => access.watch(options),
      migrating,
    };
  return {
    get: (key: string, options?: StateCallOptions) => run(access.get(key, options)),
    put: (key: string, value: unknown, options?: StatePutOptions) => run(access.put(key, value, options)),
    delete: (key: string, options?: StateConditionOptions) => run(access.delete(key, options)),
    list: (options?: StateListOptions) => run(access.list(options)),
    watch: (options?: WatchOptions) => access.watch(options),
    migrating,
  };
}

function run<T, E>(result: Promise<Result<T, E>>): AsyncResult<T, E> {
  return new AsyncResult(result);
}

interface WatchOptions {
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

/** One store over the wire. The calls check what they send and receive against the contract of the platform. */
class StoreAccess {
  readonly #state: StoredState;
  readonly #transport: StateTransport;

  constructor(state: StoredState, transport: StateTransport) {
    this.#state = state;
    this.#transport = transport;
  }

  async get(key: string | undefined, options?: StateCallOptions) {
    const answer = await this.#ask<{ entry?: WireEntry }>("State.Get", { ...named(key) }, options);
    if (!answer.ok) return answer;
    return answer.value.entry === undefined ? ok(undefined) : this.#state.read(answer.value.entry);
  }

  async put(key: string | undefined, value: unknown, options: StatePutOptions = {}) {
    const problem = this.#state.problem(value);
    if (problem !== undefined) return err(problem);
    const { expectedRevision, ttlMs } = options;
    return this.#ask<{ revision: number }>(
      "State.Put",
      {
        ...named(key),
        value,
        ...(expectedRevision === undefined ? {} : { expectedRevision }),
        ...(ttlMs === undefined ? {} : { ttlMs }),
        writeId: randomToken(WRITE_ID_CHARACTERS),
      },
      options,
    );
  }

  delete(key: string | undefined, options: StateConditionOptions = {}) {
    const { expectedRevision } = options;
    return this.#ask<{ existed: boolean }>(
      "State.Delete",
      { ...named(key), ...(expectedRevision === undefined ? {} : { expectedRevision }) },
      options,
    );
  }

  async list(options: StateListOptions = {}) {
    const { prefix, limit, cursor } = options;
    const answer = await this.#ask<{ entries: WireEntry[]; unreadable: WireUnreadable[]; nextCursor?: string }>(
      "State.List",
      {
        ...(prefix === undefined ? {} : { prefix }),
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      },
      options,
    );
    if (!answer.ok) return answer;
    const { entries, unreadable, nextCursor } = answer.value;
    const reads = entries.map((entry) => this.#state.read(entry));
    const failed = reads.find((read) => !read.ok);
    if (failed !== undefined && !failed.ok) return failed;
    return ok({
      entries: reads.flatMap((read) => (read.ok ? [read.value] : [])),
      unreadable: unreadable.map((entry) => this.#state.unreadable(entry)),
      ...(nextCursor === undefined ? {} : { nextCursor }),
    });
  }

  watch({ prefix, signal }: WatchOptions = {}) {
    const reading = this.#transport
      .feeds("State.Watch")
      .input({ store: this.#state.store, ...(prefix === undefined ? {} : { prefix }) })
      .subscribe({ reopen: true, ...(signal === undefined ? {} : { signal }) });
    // The reading has checked every frame against the contract of the feed.
    return watchState(this.#state, reading as FeedReading<WireChange>, signal);
  }

  async #ask<T>(name: string, input: object, options: StateCallOptions = {}) {
    const answer = await this.#transport.calls.ask(name, { store: this.#state.store, ...input }, options);
    // The call has checked it against the contract.
    return answer.ok ? ok(answer.value as T) : answer;
  }
}

function named(key: string | undefined): { readonly key?: string } {
  return key === undefined ? {} : { key };
}
