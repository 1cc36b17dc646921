import { surfacePath } from "@trellis/contracts";
import type { AnyContract, CallableRpc as CallableRpcOf, ErrorOf, Nested, RpcOf } from "@trellis/contracts";
import { portableSha256Stream, TransportError } from "@trellis/protocol";
import type { Sha256Stream } from "@trellis/protocol";
import { AsyncResult } from "@trellis/result";
import type { auth, core } from "@trellis/sdk";
import type { ClientFeeds } from "./feeds/feed-types.ts";
import { makeFeeds } from "./feeds/make-feeds.ts";
import type { UntypedFeeds } from "./feeds/make-feeds.ts";
import type { CallError } from "./call-error.ts";
import { callableRpcs, unknownRpc } from "./callable-rpc.ts";
import { listenableEvents, publishableEvents } from "./events/event-facts.ts";
import { eventSurface, listenByName } from "./events/event-surface.ts";
import type { ClientEvents, ListenByName } from "./events/event-surface.ts";
import type { EventTransport } from "./events/event-transport.ts";
import type { ListenOptions, LiveEvents } from "./events/listen-events.ts";
import type { PreparedEvent } from "./events/prepare-event.ts";
import { publishPrepared } from "./events/publish-event.ts";
import type { PublishedEvent, PublishError, PublishOptions } from "./events/publish-event.ts";
import type { LinkState } from "./link.ts";
import { makeOperations } from "./operations/make-operations.ts";
import type { UntypedOperations } from "./operations/make-operations.ts";
import type { ClientOperations } from "./operations/operation-types.ts";
import { callRpc } from "./rpc-call.ts";
import type { CallOptions, CallTransport } from "./rpc-call.ts";
import { StateCalls } from "./state/state-calls.ts";
import { stateSurface } from "./state/state-surface.ts";
import type { ClientState } from "./state/state-types.ts";
import { callDownload } from "./transfers/call-download.ts";
import type { Download } from "./transfers/download-types.ts";

interface RpcFacts {
  readonly input: unknown;
  readonly output: unknown;
  readonly error: unknown;
  readonly transfer: boolean;
}

/** What an RPC answers: its output, or a file that is there to be read and its output with it. */
export type RpcAnswer<R extends RpcFacts> = R["transfer"] extends true ? Download<R["output"]> : R["output"];

/** One RPC as a function: the input, and how long to wait. */
export type RpcFunction<R extends RpcFacts> = (
  input: R["input"],
  options?: CallOptions,
) => AsyncResult<RpcAnswer<R>, ErrorOf<R> | CallError>;

/** What participants of a kind may call without asking. */
type BaselineRpc<C extends AnyContract> = C["kind"] extends "service"
  ? unknown
  : Pick<RpcOf<typeof auth>, "Auth.Sessions.Me" | "Auth.Sessions.Logout"> &
      Pick<RpcOf<typeof core>, "Trellis.Surface.Status">;

/** Every RPC a client of this contract may call, by logical name. */
export type ClientRpc<C extends AnyContract> = BaselineRpc<C> & CallableRpcOf<C>;

type RpcFunctions<M> = { readonly [N in keyof M]: M[N] extends RpcFacts ? RpcFunction<M[N]> : never };

/** The state of the connection, for people and for health checks. */
export interface ClientConnection {
  readonly state: LinkState;
  /** Calls that still wait for their answer. */
  readonly waiting: number;
  /** Returns the function that stops listening. */
  onChange(listener: (state: LinkState, detail?: string) => void): () => void;
}

/** Calls what its contract declares. */
export interface TrellisClient<C extends AnyContract = AnyContract> extends AsyncDisposable {
  readonly contract: C;
  /** `client.rpc.orders.get(input)` asks `Orders.Get`. */
  readonly rpc: Nested<RpcFunctions<ClientRpc<C>>>;
  /** `client.event.orders.placed.publish(payload)` and `.listen()`: the events the contract owns or uses. */
  readonly event: ClientEvents<C>;
  /** `for await (const frame of client.feed.orders.live(input))` reads `Orders.Live`; `client.feed("Orders.Live")` by name. */
  readonly feed: ClientFeeds<C>;
  /** `client.operation.billing.refund.start(input)` starts `Billing.Refund`; `client.operation("Billing.Refund")` by name. */
  readonly operation: ClientOperations<C>;
  /** `client.state.preferences.get()`: what the contract remembers for the person or device it acts for. */
  readonly state: ClientState<C>;
  readonly connection: ClientConnection;
  /** Publishes an event that `client.event.<group>.<leaf>.prepare` made, now or before a restart. */
  publishPrepared(
    event: PreparedEvent,
    options?: Omit<PublishOptions, "id">,
  ): AsyncResult<PublishedEvent, PublishError>;
  /** `client.event.<group>.<leaf>.listen` by logical name. */
  readonly listen: ListenByName<C>;
  /** The same by logical name. */
  request<N extends keyof ClientRpc<C> & string>(
    name: N,
    input: ClientRpc<C>[N] extends RpcFacts ? ClientRpc<C>[N]["input"] : never,
    options?: CallOptions,
  ): ClientRpc<C>[N] extends RpcFacts
    ? AsyncResult<RpcAnswer<ClientRpc<C>[N]>, ErrorOf<ClientRpc<C>[N]> | CallError>
    : never;
  /** Lets calls under way finish, then closes. */
  close(): Promise<void>;
}

export interface ClientOptions<C extends AnyContract> {
  readonly contract: C;
  /** What calls travel on: a session, or a link and a signer of the owner's. */
  readonly transport: CallTransport & EventTransport;
  /** For files; default: one that works everywhere, only slower. */
  readonly newSha256?: (() => Sha256Stream) | undefined;
  /** Runs after the calls under way have ended; without it `close` leaves the transport to its owner. */
  readonly onClose?: () => Promise<void>;
}

/** Makes the client of a contract over a connection that is already there. */
export function createClient<const C extends AnyContract>(options: ClientOptions<C>): TrellisClient<C> {
  const { contract, transport, onClose, newSha256 = portableSha256Stream } = options;
  const { link } = transport;
  const rpcs = callableRpcs(contract);
  const functions = new Map<string, UntypedRpc>();
  const functionOf = (name: string): UntypedRpc => {
    let known = functions.get(name);
    if (known === undefined) {
      const rpc = rpcs.get(name) ?? unknownRpc(name);
      known =
        rpc.transfer === true
          ? (input, callOptions) =>
              new AsyncResult<unknown, unknown>(callDownload(transport, rpc, input, callOptions, newSha256))
          : (input, callOptions) => new AsyncResult(callRpc(transport, rpc, input, callOptions));
      functions.set(name, known);
    }
    return known;
  };
  const groups: { [group: string]: { [leaf: string]: UntypedRpc } } = {};
  for (const [name, { declared }] of rpcs) {
    if (declared?.selected !== true) continue;
    const { group, leaf } = surfacePath(name);
    (groups[group] ??= {})[leaf] = functionOf(name);
  }
  const publishable = publishableEvents(contract);
  const listenable = listenableEvents(contract);
  const feeds = makeFeeds(contract, transport);
  const operations = makeOperations(contract, transport, newSha256);
  const close = async (): Promise<void> => {
    feeds.closeAll();
    operations.closeAll(new TransportError("closed"));
    await onClose?.();
  };
  const untyped: UntypedClient = {
    contract,
    rpc: groups,
    event: eventSurface(transport, publishable, listenable),
    listen: (name, listenOptions) => listenByName(transport, listenable, name, listenOptions),
    feed: feeds.feed,
    operation: operations.operation,
    state: stateSurface(contract, { calls: new StateCalls(transport, rpcs), feeds: feeds.feed }),
    connection: {
      get state() {
        return link.state;
      },
      get waiting() {
        return link.waiting;
      },
      onChange: (listener) => link.onState(listener),
    },
    publishPrepared: (event, publishOptions) =>
      new AsyncResult(publishPrepared(transport, publishable, event, publishOptions)),
    request: (name, input, callOptions) => functionOf(name)(input, callOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
  // The maps above are built from the same manifest the types were inferred from; TypeScript cannot follow that.
  return untyped as unknown as TrellisClient<C>;
}

type UntypedRpc = (input: unknown, options?: CallOptions) => AsyncResult<unknown, unknown>;

interface UntypedClient extends AsyncDisposable {
  readonly contract: AnyContract;
  readonly rpc: { readonly [group: string]: { readonly [leaf: string]: UntypedRpc } };
  readonly event: ReturnType<typeof eventSurface>;
  readonly feed: UntypedFeeds;
  readonly operation: UntypedOperations;
  readonly state: ReturnType<typeof stateSurface>;
  readonly connection: ClientConnection;
  publishPrepared(
    event: PreparedEvent,
    options?: Omit<PublishOptions, "id">,
  ): AsyncResult<PublishedEvent, PublishError>;
  listen(name: string, options?: ListenOptions): LiveEvents;
  request(name: string, input: unknown, options?: CallOptions): AsyncResult<unknown, unknown>;
  close(): Promise<void>;
}
