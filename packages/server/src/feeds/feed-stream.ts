import type { Link, LinkSubscription } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import {
  boundGrant,
  encodeStreamFrame,
  errorBody,
  isForCaller,
  TransportError,
  UnexpectedError,
} from "@trellis/protocol";
import type { StreamFrame } from "@trellis/protocol";
import type { TracedWork } from "@trellis/telemetry";
import type { Caller } from "../authority.ts";
import type { CallSurroundings } from "../call.ts";
import type { Log } from "../log.ts";
import type { KnownSession } from "../session-directory.ts";
import type { SignedRequest } from "../signed-request.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import { FeedFrame } from "./feed-handlers.ts";
import type { FeedContext } from "./feed-handlers.ts";
import type { Outbox } from "./outbox.ts";

/** What a stream needs besides what it was opened with. */
export interface StreamSurroundings extends CallSurroundings {
  readonly link: Link;
  readonly outbox: Outbox;
  /** Whether the reader may be sent a frame at this instant. */
  readonly mayRead: (stream: FeedStream) => boolean;
  /** It sends nothing any more; its handler may still be at work. */
  readonly onOver: (stream: FeedStream) => void;
  /** Its handler is done too. */
  readonly onSettled: (stream: FeedStream) => void;
}

export interface OpenedStream {
  readonly endpoint: FeedEndpoint;
  readonly request: SignedRequest;
  readonly reply: string;
  readonly session: KnownSession;
  readonly input: unknown;
  readonly cursor: string | undefined;
  readonly control: string;
  readonly credits: number;
  readonly traced: TracedWork;
}

const NO_ERRORS: ReadonlySet<string> = new Set();

/**
 * One open feed on this replica; it is also the context its handler sees.
 *
 * 1. The handler is not asked for a frame unless the reader has room for it, may read, and can be reached: nothing is
 *    buffered here but the one frame that was asked for.
 * 2. Every frame is sent only if the reader may read at that instant; if not, it waits until that is settled.
 * 3. Once over, nothing leaves any more, the handler's signal is aborted and its iterator is returned.
 */
export class FeedStream implements FeedContext<unknown> {
  readonly endpoint: FeedEndpoint;
  readonly request: SignedRequest;
  readonly control: string;
  readonly input: unknown;
  readonly cursor: string | undefined;
  /** The newest that is known about the reader's session. */
  session: KnownSession;
  over = false;
  /** When the reader was last heard, in sweeps of the router. */
  heardAt = 0;
  /** When the reader was last told something, by the monotonic clock. */
  toldAt: number;
  subscription: LinkSubscription | undefined;
  readonly #reply: string;
  readonly #traced: TracedWork;
  readonly #surroundings: StreamSurroundings;
  readonly #abort = new AbortController();
  #grant: number;
  #seq = 0;
  #iterator: AsyncIterator<unknown> | undefined;
  #wake: (() => void) | undefined;
  #log: Log | undefined;

  constructor(opened: OpenedStream, surroundings: StreamSurroundings) {
    this.endpoint = opened.endpoint;
    this.request = opened.request;
    this.control = opened.control;
    this.input = opened.input;
    this.cursor = opened.cursor;
    this.session = opened.session;
    this.#reply = opened.reply;
    this.#traced = opened.traced;
    this.#grant = opened.credits;
    this.#surroundings = surroundings;
    this.toldAt = performance.now();
  }

  get caller(): Caller {
    return this.session.caller;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get log(): Log {
    this.#log ??= this.#surroundings.log.child({
      feed: this.endpoint.name,
      request: this.request.headers.requestId,
      caller: this.caller.id,
      trace: this.#traced.traceId,
    });
    return this.#log;
  }

  get client(): unknown {
    return this.#surroundings.client;
  }

  get deps(): unknown {
    return this.#surroundings.deps;
  }

  /** Frames sent so far. */
  get sent(): number {
    return this.#seq;
  }

  may(capability: string): boolean {
    return this.session.capabilities.has(capability);
  }

  /** Runs the handler and sends what it yields, until one side ends it. */
  async run(heartbeatMs: number): Promise<void> {
    try {
      this.tell({ type: "ready", control: this.control, credits: this.#grant, heartbeatMs });
      const { runInside } = this.#surroundings;
      const body = (): unknown => this.endpoint.handler?.(this);
      const frames = await this.#traced.run(
        runInside === undefined ? body : () => runInside(this.#traced.context, body),
      );
      if (!isAsyncIterable(frames)) return this.#unexpected("The handler of a feed returned nothing to iterate over.");
      await this.#pump(frames[Symbol.asyncIterator]());
    } catch (thrown) {
      this.#failed(thrown);
    } finally {
      this.#surroundings.onSettled(this);
    }
  }

  /** The reader has room for every frame up to this one. */
  grant(upTo: number): void {
    const bounded = boundGrant(upTo, this.#seq);
    if (bounded <= this.#grant) return;
    this.#grant = bounded;
    this.poke();
  }

  /** Something changed that a waiting frame may have waited for. */
  poke(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  heartbeat(prove: boolean): void {
    this.tell({ type: "heartbeat", seq: this.#seq, ...(prove ? { prove } : {}) });
  }

  /** Ends it with an error the reader may know. */
  refuse(error: Error & { readonly type: string }): void {
    this.#endWithError(error, globalThis.crypto.randomUUID());
  }

  /** Ends it without a word: the reader left, or cannot be reached. */
  leave(): void {
    this.#end();
  }

  /** Sends one message to the reader. */
  tell(frame: StreamFrame): void {
    this.toldAt = performance.now();
    this.#surroundings.outbox.send(this.#reply, encodeStreamFrame(frame), this.#onNotSent);
  }

  readonly #onNotSent = (error: unknown): void => {
    if (this.over) return;
    if (error instanceof TransportError && error.code === "payload_too_large")
      this.#unexpected("A frame of a feed is larger than NATS takes.", error);
    // Not connected for too long: a stream with a gap is over, and its reader opens another.
    else this.leave();
  };

  async #pump(iterator: AsyncIterator<unknown>): Promise<void> {
    this.#iterator = iterator;
    // Ended while the handler was being started.
    if (this.over) return this.#return();
    for (;;) {
      while (!this.#maySend()) await this.#changed();
      if (this.over) return;
      const step = await iterator.next();
      if (this.over) return;
      if (step.done === true) {
        this.tell({ type: "end", seq: this.#seq });
        return this.#end();
      }
      while (!this.#maySend()) await this.#changed();
      if (this.over) return;
      if (!this.#send(step.value)) return;
    }
  }

  #maySend(): boolean {
    if (this.over) return true;
    const { link, mayRead } = this.#surroundings;
    return this.#seq < this.#grant && link.state === "connected" && mayRead(this);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #send(yielded: unknown): boolean {
    const value = yielded instanceof FeedFrame ? yielded.value : yielded;
    const { event } = this.endpoint;
    if (!event.check(value)) {
      this.#unexpected("A feed yielded something its contract does not describe.", undefined, {
        issues: event.errors(value),
      });
      return false;
    }
    this.#seq += 1;
    // The schema has said that it is JSON.
    const data = value as Json;
    const cursor = yielded instanceof FeedFrame ? { cursor: yielded.cursor } : {};
    this.tell({ type: "frame", seq: this.#seq, data, ...cursor });
    return true;
  }

  #failed(thrown: unknown): void {
    // What a handler throws after its signal was aborted is how it stopped.
    if (this.over) return;
    if (isForCaller(thrown, NO_ERRORS)) this.refuse(thrown);
    else this.#unexpected("A feed failed.", thrown);
  }

  /** The reader learns an id and nothing else; what happened is in the log under it. */
  #unexpected(message: string, cause?: unknown, fields: { readonly [name: string]: unknown } = {}): void {
    if (this.over) return;
    const id = globalThis.crypto.randomUUID();
    this.log.error(message, { id, ...fields, ...(cause === undefined ? {} : { error: cause }) });
    this.#endWithError(new UnexpectedError(id), id);
  }

  #endWithError(error: Error, id: string): void {
    if (this.over) return;
    this.tell({ type: "error", seq: this.#seq, error: errorBody(error, id) });
    this.#end();
  }

  #end(): void {
    if (this.over) return;
    this.over = true;
    this.subscription?.close();
    this.#abort.abort(new DOMException("Nobody reads this feed any more.", "AbortError"));
    this.#return();
    this.poke();
    this.#surroundings.onOver(this);
  }

  #return(): void {
    // A generator that is waiting returns when what it waits for is over; a handler should heed its signal.
    this.#iterator?.return?.().then(undefined, (error: unknown) => {
      this.log.debug("A feed failed while it was being ended.", { error });
    });
  }
}

/** What a reader hears from a replica that is about to stop. */
export function drained(): TransportError {
  return new TransportError("retry_later", {
    message: "This replica of the service is being stopped.",
    hint: "Open the feed again, with the last cursor if it gives one: another replica goes on.",
  });
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
