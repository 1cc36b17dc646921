import { surfacePath } from "@trellis/contracts";
import type { AnyContract, ListenableEvents, Nested, PublishableEvents } from "@trellis/contracts";
import type { TransportError, ValidationError } from "@trellis/protocol";
import { AsyncResult } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { EventFacts } from "./event-facts.ts";
import type { EventTransport } from "./event-transport.ts";
import { listenToEvents } from "./listen-events.ts";
import type { ListenOptions, LiveEvents } from "./listen-events.ts";
import { prepareEvent } from "./prepare-event.ts";
import type { PreparedEvent, PrepareOptions } from "./prepare-event.ts";
import { publishEvent } from "./publish-event.ts";
import type { PublishedEvent, PublishError, PublishOptions } from "./publish-event.ts";

/** An event that may be published. */
export interface EventPublisher<Payload> {
  /** Resolves when storage has the event; consumers get it later. */
  publish(payload: Payload, options?: PublishOptions): AsyncResult<PublishedEvent, PublishError>;
  /** Checks and settles everything without sending; `client.publishPrepared` sends it, or an outbox does. */
  prepare(payload: Payload, options?: PrepareOptions): Result<PreparedEvent, ValidationError | TransportError>;
}

/** An event that may be listened to. */
export interface EventListener<Payload, Params extends string> {
  /** Live events from now on. Nothing is kept: a consumer group is for those who must not miss any. */
  listen(options?: ListenOptions<Params>): LiveEvents<Payload>;
}

type PublisherOf<E> = E extends { readonly event: infer Payload } ? EventPublisher<Payload> : never;
type ListenerOf<E> = E extends { readonly event: infer Payload; readonly params: infer P extends string }
  ? EventListener<Payload, P>
  : never;

type EventFunctions<P, L> = {
  readonly [N in keyof P | keyof L]: (N extends keyof P ? PublisherOf<P[N]> : unknown) &
    (N extends keyof L ? ListenerOf<L[N]> : unknown);
};

/**
 * `event.orders.placed.publish(payload)`, `event.orders.placed.listen()`: what the contract allows of each. Of a contract
 * whose shape is not known nothing is, so that every client can stand for a client of any contract.
 */
export type ClientEvents<C extends AnyContract> = AnyContract extends C
  ? unknown
  : Nested<EventFunctions<PublishableEvents<C>, ListenableEvents<C>>>;

/** Live events by logical name: `listen("Orders.Placed")`. */
export type ListenByName<C extends AnyContract> = <N extends keyof ListenableEvents<C> & string>(
  name: N,
  options?: ListenOptions,
) => LiveEvents<ListenableEvents<C>[N] extends { readonly event: infer Payload } ? Payload : unknown>;

/** What `event.<group>.<leaf>` is once its types have done their work. */
export interface UntypedEvent {
  publish?: (payload: unknown, options?: PublishOptions) => AsyncResult<PublishedEvent, PublishError>;
  prepare?: (payload: unknown, options?: PrepareOptions) => Result<PreparedEvent, ValidationError | TransportError>;
  listen?: (options?: ListenOptions) => LiveEvents;
}

/** Listens to an event by its logical name. */
export function listenByName(
  transport: EventTransport,
  listenable: ReadonlyMap<string, EventFacts>,
  name: string,
  options?: ListenOptions,
): LiveEvents {
  const facts = listenable.get(name);
  if (facts === undefined)
    throw new TypeError(
      `The contract does not listen to ${name}: add it to events.subscribe of the contract it uses it from.`,
    );
  return listenToEvents(transport, facts, options);
}

/** Builds `event.<group>.<leaf>` from what a contract publishes and listens to. */
export function eventSurface(
  transport: EventTransport,
  publishable: ReadonlyMap<string, EventFacts>,
  listenable: ReadonlyMap<string, EventFacts>,
): { readonly [group: string]: { readonly [leaf: string]: UntypedEvent } } {
  const groups: { [group: string]: { [leaf: string]: UntypedEvent } } = {};
  const entry = (name: string): UntypedEvent => {
    const { group, leaf } = surfacePath(name);
    return ((groups[group] ??= {})[leaf] ??= {});
  };
  for (const [name, facts] of publishable) {
    const event = entry(name);
    event.publish = (payload, options) => new AsyncResult(publishEvent(transport, facts, payload, options));
    event.prepare = (payload, options) => prepareEvent(transport, facts, payload, options);
  }
  for (const [name, facts] of listenable) entry(name).listen = (options) => listenToEvents(transport, facts, options);
  return groups;
}
