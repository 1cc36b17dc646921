import type { AnyContract, EventConsumersOf } from "@trellis/contracts";
import type { Result } from "@trellis/result";
import type { Log } from "../log.ts";

/** What a handler of events gets. An event may come more than once: what the handler does must bear repeating. */
export interface EventContext<Name extends string = string, Payload = unknown, Client = unknown, Deps = unknown> {
  /** The event's logical name: `Orders.Placed`. */
  readonly name: Name;
  /** Checked against the schema this service knows. */
  readonly event: Payload;
  /** The same for every delivery, replays included: what to remember to handle an event once. */
  readonly id: string;
  /** Who takes it, all replicas together: `<deployment>.<group>`. */
  readonly consumer: string;
  /** When it happened, by its publisher. */
  readonly at: Date;
  readonly subject: string;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** A person sent it again from the dead letters. */
  readonly replayed: boolean;
  /** Aborts when this delivery is not ours any more: a drain ran out of time, the handler took too long, or the connection was away for so long that another replica has it. */
  readonly signal: AbortSignal;
  /** The service's log with this event on every line. */
  readonly log: Log;
  /** Calls what the contract uses. */
  readonly client: Client;
  /** What the service was connected with. */
  readonly deps: Deps;
}

/** Nothing or `ok`: handled. `err` or a throw: tried again later, and after the last time kept as a dead letter. */
export type EventOutcome = void | Result<unknown, unknown>;

type ContextOf<Events, Client, Deps> = {
  readonly [N in keyof Events & string]: EventContext<N, Events[N], Client, Deps>;
}[keyof Events & string];

/** One handler for all events of a group; `name` tells them apart. */
export type EventHandler<Events, Client = unknown, Deps = unknown> = (
  context: ContextOf<Events, Client, Deps>,
) => EventOutcome | PromiseLike<EventOutcome>;

/** A handler for each event of a group, by logical name. */
export type EventHandlers<Events, Client = unknown, Deps = unknown> = {
  readonly [N in keyof Events & string]: (
    context: EventContext<N, Events[N], Client, Deps>,
  ) => EventOutcome | PromiseLike<EventOutcome>;
};

/** `handle.events.<group>(handler)`, one for every consumer group of the contract. */
export type EventRegistrars<C extends AnyContract, Client = unknown, Deps = unknown> = {
  readonly [G in keyof EventConsumersOf<C>]: (
    handler: EventHandler<EventConsumersOf<C>[G], Client, Deps> | EventHandlers<EventConsumersOf<C>[G], Client, Deps>,
  ) => void;
};

/** A handler once its types have done their work. */
export type AnyEventHandler = (context: EventContext) => unknown;
