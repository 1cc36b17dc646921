import type { LinkMessage } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { boundGrant, encodeStreamFrame, parseStreamControl, TransportError } from "@trellis/protocol";
import { ServedStream } from "../streams/served-stream.ts";
import type { StreamHost, StreamOpening } from "../streams/served-stream.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import { FeedFrame } from "./feed-handlers.ts";
import type { FeedContext } from "./feed-handlers.ts";

export interface OpenedFeed extends StreamOpening {
  readonly endpoint: FeedEndpoint;
  readonly input: unknown;
  readonly cursor: string | undefined;
  readonly credits: number;
}

/**
 * One open feed on this replica; it is also the context its handler sees.
 *
 * 1. The handler is not asked for a frame unless the reader has room for it, may read, and can be reached: nothing is
 *    buffered here but the one frame that was asked for.
 * 2. Every frame is sent only if the reader may read at that instant; if not, it waits until that is settled.
 * 3. Once over, nothing leaves any more, the handler's signal is aborted and its iterator is returned.
 */
export class FeedStream extends ServedStream implements FeedContext<unknown> {
  readonly endpoint: FeedEndpoint;
  readonly input: unknown;
  readonly cursor: string | undefined;
  #grant: number;
  #seq = 0;
  #iterator: AsyncIterator<unknown> | undefined;

  constructor(opened: OpenedFeed, host: StreamHost) {
    super(opened, host);
    this.endpoint = opened.endpoint;
    this.input = opened.input;
    this.cursor = opened.cursor;
    this.#grant = opened.credits;
  }

  get client(): unknown {
    return this.host.client;
  }

  get deps(): unknown {
    return this.host.deps;
  }

  override get place(): number {
    return this.#seq;
  }

  /** Runs the handler and sends what it yields, until one side ends it. */
  async run(heartbeatMs: number): Promise<void> {
    try {
      this.tell(encodeStreamFrame({ type: "ready", control: this.control, credits: this.#grant, heartbeatMs }));
      const { runInside } = this.host;
      const body = (): unknown => this.endpoint.handler?.(this);
      const frames = await this.traced.run(runInside === undefined ? body : () => runInside(this.traced.context, body));
      if (!isAsyncIterable(frames)) return this.unexpected("The handler of a feed returned nothing to iterate over.");
      await this.#pump(frames[Symbol.asyncIterator]());
    } catch (thrown) {
      this.failed("A feed failed.", thrown);
    } finally {
      this.host.onSettled(this);
    }
  }

  override hear(message: LinkMessage): boolean {
    const control = parseStreamControl(message.data);
    if (control === undefined) return false;
    if (control.type === "credits") this.#take(control.upTo);
    else if (control.type === "cancel") this.leave();
    // The reader is behind: it learns what it should have.
    else if (control.seq < this.#seq) this.heartbeat(false);
    return true;
  }

  protected override onEnd(): void {
    this.#return();
  }

  /** The reader has room for every frame up to this one. */
  #take(upTo: number): void {
    const bounded = boundGrant(upTo, this.#seq);
    if (bounded <= this.#grant) return;
    this.#grant = bounded;
    this.poke();
  }

  async #pump(iterator: AsyncIterator<unknown>): Promise<void> {
    this.#iterator = iterator;
    // Ended while the handler was being started.
    if (this.over) return this.#return();
    for (;;) {
      while (!this.#maySend()) await this.changed();
      if (this.over) return;
      const step = await iterator.next();
      if (this.over) return;
      if (step.done === true) {
        this.tell(encodeStreamFrame({ type: "end", seq: this.#seq }));
        return this.end();
      }
      while (!this.#maySend()) await this.changed();
      if (this.over) return;
      if (!this.#send(step.value)) return;
    }
  }

  #maySend(): boolean {
    return this.over || (this.#seq < this.#grant && this.mayGoOn());
  }

  #send(yielded: unknown): boolean {
    const value = yielded instanceof FeedFrame ? yielded.value : yielded;
    const { event } = this.endpoint;
    if (!event.check(value)) {
      this.unexpected("A feed yielded something its contract does not describe.", undefined, {
        issues: event.errors(value),
      });
      return false;
    }
    this.#seq += 1;
    // The schema has said that it is JSON.
    const data = value as Json;
    const cursor = yielded instanceof FeedFrame ? { cursor: yielded.cursor } : {};
    this.tell(encodeStreamFrame({ type: "frame", seq: this.#seq, data, ...cursor }));
    return true;
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
