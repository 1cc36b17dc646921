import type { ContractShape, FeedShape, SurfaceGroup, SurfaceLeaf } from "@trellis/contracts";
import type { Caller } from "../authority.ts";
import type { Log } from "../log.ts";

/** What the handler of a feed gets. */
export interface FeedContext<Input, Client = unknown, Deps = unknown> {
  /** Checked against the contract's schema. */
  readonly input: Input;
  /** Where the reader wants to go on: a cursor this feed gave it with an earlier frame, as the reader returned it. */
  readonly cursor: string | undefined;
  /** Who reads, as the control plane knows them. */
  readonly caller: Caller;
  /** The service's log with this reading on every line. */
  readonly log: Log;
  /** Aborts when the reader left, may not read any more or fell silent, and when this replica is drained. */
  readonly signal: AbortSignal;
  /** Whether the reader holds a capability (its global key: `orders::read`) at this moment. */
  may(capability: string): boolean;
  /** Calls what the contract uses. */
  readonly client: Client;
  /** What the service was connected with. */
  readonly deps: Deps;
}

/** One frame and the place it stands at; made by `frame`. */
export class FeedFrame<Event> {
  readonly value: Event;
  readonly cursor: string;

  constructor(value: Event, cursor: string) {
    this.value = value;
    this.cursor = cursor;
  }
}

/**
 * Gives a frame a cursor. A reader that loses this replica opens the feed again with the last cursor it received, on
 * whichever replica there is: the handler goes on right after it.
 */
export function frame<Event>(value: Event, cursor: string): FeedFrame<Event> {
  return new FeedFrame(value, cursor);
}

/** What a handler answers: frames one after the other, the next asked for only when the reader has room for it. */
export type FeedFrames<Event> = AsyncIterable<Event | FeedFrame<Event>>;

/**
 * Serves one reading of a feed; usually an async generator. A refusal (`AuthError`, `ValidationError`, a retryable
 * `TransportError`) may be thrown; anything else that is thrown stays in the log.
 */
export type FeedHandler<F extends FeedShape, Client = unknown, Deps = unknown> = (
  context: FeedContext<F["input"], Client, Deps>,
) => FeedFrames<F["event"]> | PromiseLike<FeedFrames<F["event"]>>;

type GroupsOf<M> = SurfaceGroup<keyof M & string>;

/** `handle.feed.<group>.<leaf>(handler)`, one for every feed the contract owns. */
export type FeedRegistrars<S extends ContractShape, Client = unknown, Deps = unknown> = {
  readonly [G in GroupsOf<S["feeds"]>]: {
    readonly [N in keyof S["feeds"] & string as SurfaceGroup<N> extends G ? SurfaceLeaf<N> : never]: (
      handler: FeedHandler<S["feeds"][N], Client, Deps>,
    ) => void;
  };
};

/** A handler once its types have done their work. */
export type AnyFeedHandler = (context: FeedContext<unknown>) => unknown;
