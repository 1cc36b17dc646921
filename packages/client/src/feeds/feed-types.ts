import type { AnyContract, Nested, ReadableFeeds } from "@trellis/contracts";

/** How one feed is read. */
export interface FeedOptions {
  /** Ends the reading: the loop throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long the service may take to open the feed; 5 s unless said otherwise. Reading has no limit. */
  readonly timeoutMs?: number;
  /** Goes on after this place: the `cursor` of an earlier reading of the same feed. */
  readonly cursor?: string;
  /**
   * What happens when the stream is lost. A feed whose frames carry cursors is opened again after the last one read,
   * so nothing is missed; others end with a `TransportError`. `true` opens those again too, at whatever the feed
   * begins with; `false` never opens anything again.
   */
  readonly reopen?: boolean;
  /** Told why, each time the feed has to be opened again. */
  readonly onReopen?: (why: Error) => void;
}

/** A feed being read. It is opened when the first frame is asked for; leaving the loop closes it at once. */
export interface FeedReading<Event> extends AsyncIterableIterator<Event, undefined, undefined> {
  /** Of the last frame handed out: where to go on another time. */
  readonly cursor: string | undefined;
  /** Opens it now: resolves when the service has accepted, throws when it has refused. */
  opened(): Promise<void>;
  return(): Promise<IteratorResult<Event, undefined>>;
}

interface FeedFacts {
  readonly input: unknown;
  readonly event: unknown;
}

/** One feed as a function. */
export type FeedFunction<F extends FeedFacts> = (input: F["input"], options?: FeedOptions) => FeedReading<F["event"]>;

/** A feed by logical name, its input given apart. */
export interface NamedFeed<F extends FeedFacts> {
  input(input: F["input"]): { subscribe(options?: FeedOptions): FeedReading<F["event"]> };
}

type FeedFunctions<M> = { readonly [N in keyof M]: M[N] extends FeedFacts ? FeedFunction<M[N]> : never };

/** `client.feed.orders.live(input)` and, for dynamic code, `client.feed("Orders.Live").input(input).subscribe()`. */
export type ClientFeeds<C extends AnyContract> = Nested<FeedFunctions<ReadableFeeds<C>>> &
  (<N extends keyof ReadableFeeds<C> & string>(
    name: N,
  ) => ReadableFeeds<C>[N] extends FeedFacts ? NamedFeed<ReadableFeeds<C>[N]> : never);
