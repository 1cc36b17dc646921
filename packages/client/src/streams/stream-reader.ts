import { encodeStreamControl } from "@trellis/protocol";
import type { LinkMessage } from "../link.ts";
import type { CallTransport } from "../rpc-call.ts";
import { StreamLine } from "./stream-line.ts";
import type { StreamBasics, StreamRequest as LineRequest } from "./stream-line.ts";
import { StreamOrder } from "./stream-order.ts";
import type { Numbered } from "./stream-order.ts";

/** The last word of a sender that has sent everything. */
export interface StreamEnd {
  readonly type: "end";
  readonly seq: number;
}

export interface StreamRequest extends LineRequest {
  /** The sender waits to hear that everything came. */
  readonly confirmsEnd?: boolean;
}

export interface StreamEvents<Frame, End> {
  read(message: LinkMessage): Frame | End | StreamBasics | undefined;
  onReady(credits: number): void;
  onFrame(frame: Frame, bytes: number): void;
  /** Nothing follows. With an `end` every frame has come. */
  onOver(outcome: { readonly end: End } | { readonly error: Error }): void;
}

/** A frame that overtook another waits this long for it; then the other is lost. */
const GAP_MS = 500;

/**
 * One open stream on one replica, from the reader's side: frames are handed on in order and without a gap, or the stream
 * is over with `stream_lost`. `onOver` is called once, and nothing after it.
 */
export class StreamReader<Frame extends Numbered & { readonly type: string }, End extends StreamEnd> {
  readonly #line: StreamLine<Frame | End>;
  readonly #events: StreamEvents<Frame, End>;
  readonly #confirmsEnd: boolean;
  readonly #order: StreamOrder<Frame>;
  #gapTimer: ReturnType<typeof setTimeout> | undefined;
  /** The last word there will be, once the sender has said it. */
  #end: End | undefined;

  /** Asks for the stream from the frame after `last` on; the answer comes through the events. */
  constructor(transport: CallTransport, request: StreamRequest, events: StreamEvents<Frame, End>, last = 0) {
    this.#events = events;
    this.#confirmsEnd = request.confirmsEnd === true;
    this.#order = new StreamOrder(last);
    this.#line = new StreamLine<Frame | End>(transport, request, {
      read: (message) => events.read(message),
      onReady: (credits) => events.onReady(credits),
      onTold: (told, bytes) => this.#receive(told, bytes),
      onHeartbeat: (seq) => this.#expect(seq),
      place: () => this.#order.last,
      onOver: (error) => this.#over(error),
    });
  }

  /** The sender may send every frame up to this one. */
  grant(upTo: number): void {
    this.#line.tell(encodeStreamControl({ type: "credits", upTo }));
  }

  /** Wants no more; the handler hears of it at once. No event follows. */
  cancel(): void {
    clearTimeout(this.#gapTimer);
    this.#line.cancel();
  }

  #receive(told: Frame | End, bytes: number): void {
    if (isEnd(told)) {
      this.#end = told;
      return this.#expect(told.seq);
    }
    if (!this.#order.take(told, (next) => this.#hand(next, bytes))) return this.#line.lost();
    if (this.#order.hasGap || this.#end !== undefined) this.#expect(this.#end?.seq ?? told.seq);
  }

  #hand(frame: Frame, bytes: number): void {
    if (!this.#line.over) this.#events.onFrame(frame, bytes);
  }

  /** Everything up to this frame was sent; what is missing gets a moment to arrive. */
  #expect(seq: number): void {
    if (this.#order.last >= seq && !this.#order.hasGap) {
      clearTimeout(this.#gapTimer);
      this.#gapTimer = undefined;
      if (this.#end !== undefined && this.#order.last >= this.#end.seq) this.#complete();
      return;
    }
    const stoodAt = this.#order.last;
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined;
      if (this.#order.last === stoodAt) this.#line.lost();
      else if (this.#order.hasGap || this.#end !== undefined) this.#expect(this.#end?.seq ?? seq);
    }, GAP_MS);
  }

  #complete(): void {
    if (this.#confirmsEnd) this.#line.tell(encodeStreamControl({ type: "cancel" }));
    this.#line.end(undefined);
  }

  #over(error: Error | undefined): void {
    clearTimeout(this.#gapTimer);
    if (error !== undefined) this.#events.onOver({ error });
    else if (this.#end !== undefined) this.#events.onOver({ end: this.#end });
  }
}

function isEnd<End extends StreamEnd>(told: { readonly type: string } | End): told is End {
  return told.type === "end";
}
