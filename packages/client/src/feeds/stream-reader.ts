import type { MsgHdrs } from "@nats-io/nats-core";
import type { Json } from "@trellis/contracts";
import {
  decodeErrorBody,
  encodeStreamControl,
  isControlOf,
  LIMITS,
  parseStreamFrame,
  TransportError,
} from "@trellis/protocol";
import type { StreamControl, StreamFrame } from "@trellis/protocol";
import type { LinkMessage, LinkSubscription } from "../link.ts";
import type { CallTransport } from "../rpc-call.ts";
import { StreamOrder } from "./stream-order.ts";

/** What opens a stream. */
export interface StreamRequest {
  /** For messages: `the feed Orders.Live`. */
  readonly what: string;
  /** The surface; its control subjects lie below. */
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Added to the signed headers. */
  readonly extend: (headers: MsgHdrs) => void;
  /** How long until the stream must be open. */
  readonly timeoutMs: number;
  /** How long a stream whose replica NATS does not know may take to come back: it may be reconnecting. */
  readonly patienceMs: number;
}

export interface StreamEvents {
  onReady(credits: number): void;
  onFrame(data: Json, cursor: string | undefined, bytes: number): void;
  /** Nothing follows. Without an error every frame has come. */
  onOver(error: Error | undefined): void;
}

/** A frame that overtook another waits this long for it; then the other is lost. */
const GAP_MS = 500;
const PROBE_EVERY_MS = 250;
const DEFAULT_HEARTBEAT_MS = LIMITS.streamHeartbeatMs;

/**
 * One open stream on one replica, from the reader's side.
 *
 * 1. `onOver` is called once, and nothing after it.
 * 2. Frames are handed on in order and without a gap, or the stream is over with `stream_lost`.
 * 3. It writes only to the surface it opened and to the control subject below it that `ready` named.
 */
export class StreamReader {
  readonly #transport: CallTransport;
  readonly #request: StreamRequest;
  readonly #events: StreamEvents;
  readonly #order = new StreamOrder();
  readonly #inbox: string;
  readonly #subscription: LinkSubscription;
  readonly #stops: (() => void)[] = [];
  #control: string | undefined;
  #heartbeatMs: number = DEFAULT_HEARTBEAT_MS;
  /** Beats since something was heard. Beats are counted, not time: a process that was held up has not listened. */
  #silentBeats = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #gapTimer: ReturnType<typeof setTimeout> | undefined;
  #probing: { readonly since: number; lastAt: number; timer: ReturnType<typeof setTimeout> | undefined } | undefined;
  /** The last frame there will be, once the sender has said so. */
  #endsAt: number | undefined;
  #over = false;
  #cancelled = false;

  /** Asks for the stream; the answer comes through the events, never before the constructor returns. */
  constructor(transport: CallTransport, request: StreamRequest, events: StreamEvents) {
    this.#transport = transport;
    this.#request = request;
    this.#events = events;
    const { link } = transport;
    const { subject, subscription } = link.openStream((message) => this.#receive(message));
    this.#inbox = subject;
    this.#subscription = subscription;
    this.#stops.push(
      link.hearRefusals((refused) => {
        // Without the control subject a stream cannot be read on: the permission was taken away while it was open.
        if (refused === (this.#control ?? request.subject)) this.#end(refusedByNats(refused));
      }),
      link.onState((state) => {
        // A closed link says why to whoever asks it for something.
        if (state === "closed") link.flush().catch((reason: unknown) => this.#end(asError(reason)));
        else if (state === "connected" && this.#control !== undefined) this.#cameBack();
      }),
    );
    this.#timer = setTimeout(() => this.#end(this.#tooLate()), request.timeoutMs);
    this.#ask();
  }

  /** The sender may send every frame up to this one. */
  grant(upTo: number): void {
    this.#tell({ type: "credits", upTo });
  }

  /** Wants no more; the handler hears of it at once. No event follows. */
  cancel(): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    // Not open yet: `ready` will say where to cancel, or the time for it runs out.
    if (this.#control === undefined) return;
    this.#tell({ type: "cancel" });
    this.#close();
  }

  #ask(): void {
    const { link, signer } = this.#transport;
    const { subject, payload, timeoutMs, extend } = this.#request;
    try {
      const headers = signer.sign(subject, payload, timeoutMs);
      extend(headers);
      link.publish(subject, payload, { headers, reply: this.#inbox });
    } catch (error) {
      queueMicrotask(() => this.#end(asError(error)));
    }
  }

  #receive(message: LinkMessage): void {
    if (this.#over) return;
    if (message.data.length === 0 && message.headers?.code === 503) return this.#nobodyThere();
    const frame = parseStreamFrame(message.data);
    if (frame === undefined) return this.#unreadable();
    this.#silentBeats = 0;
    this.#stopProbing();
    if (this.#control === undefined && frame.type !== "ready" && frame.type !== "error") return;
    switch (frame.type) {
      case "frame":
        if (!this.#order.take(frame, (next) => this.#hand(next, message.data.length))) return this.#lost();
        if (this.#order.hasGap || this.#endsAt !== undefined) this.#expect(this.#endsAt ?? frame.seq);
        return;
      case "ready":
        return this.#ready(frame);
      case "heartbeat":
        if (frame.prove === true) this.#prove();
        return this.#expect(frame.seq);
      case "end":
        this.#endsAt = frame.seq;
        return this.#expect(frame.seq);
      case "error":
        return this.#end(decodeErrorBody(frame.error));
    }
  }

  #ready({ control, credits, heartbeatMs }: Extract<StreamFrame, { readonly type: "ready" }>): void {
    if (this.#control !== undefined) return;
    // The answering side does not choose where we publish.
    if (!isControlOf(this.#request.subject, control)) return this.#unreadable();
    this.#control = control;
    clearTimeout(this.#timer);
    if (this.#cancelled) {
      this.#tell({ type: "cancel" });
      return this.#close();
    }
    this.#heartbeatMs = Math.max(MIN_HEARTBEAT_MS, heartbeatMs ?? DEFAULT_HEARTBEAT_MS);
    this.#timer = setInterval(() => this.#beat(), this.#heartbeatMs);
    this.#events.onReady(credits);
  }

  #hand({ data, cursor }: { readonly data: Json; readonly cursor?: string }, bytes: number): void {
    if (!this.#over && !this.#cancelled) this.#events.onFrame(data, cursor, bytes);
  }

  /** Everything up to this frame was sent; what is missing gets a moment to arrive. */
  #expect(seq: number): void {
    if (this.#order.last >= seq && !this.#order.hasGap) {
      clearTimeout(this.#gapTimer);
      this.#gapTimer = undefined;
      if (this.#endsAt !== undefined && this.#order.last >= this.#endsAt) this.#end(undefined);
      return;
    }
    const stoodAt = this.#order.last;
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined;
      if (this.#order.last === stoodAt) this.#lost();
      else if (this.#order.hasGap || this.#endsAt !== undefined) this.#expect(this.#endsAt ?? seq);
    }, GAP_MS);
  }

  #beat(): void {
    if (this.#transport.link.state !== "connected") return;
    this.#silentBeats += 1;
    if (this.#silentBeats > LIMITS.streamMissedHeartbeats) return this.#lost();
    this.#tell({ type: "heartbeat", seq: this.#order.last });
  }

  /** Between two connections anything may have been lost; the sender's next word shows what. */
  #cameBack(): void {
    this.#silentBeats = 0;
    this.#tell({ type: "heartbeat", seq: this.#order.last });
  }

  #prove(): void {
    const { link, signer } = this.#transport;
    if (this.#control === undefined) return;
    const payload = encodeStreamControl({ type: "heartbeat", seq: this.#order.last });
    try {
      const headers = signer.sign(this.#control, payload, LIMITS.defaultDeadlineMs);
      link.publish(this.#control, payload, { headers, reply: this.#inbox });
    } catch {
      // Not connected: the sender asks again as long as it has not heard.
    }
  }

  #tell(control: StreamControl): void {
    if (this.#over || this.#control === undefined) return;
    try {
      // With our inbox as reply NATS tells us when nobody listens there any more.
      this.#transport.link.publish(this.#control, encodeStreamControl(control), { reply: this.#inbox });
    } catch {
      // Not connected. Grants are absolute and heartbeats repeat; a lost cancel is a reader that fell silent.
    }
  }

  /** NATS knows nobody at the subject we wrote to. */
  #nobodyThere(): void {
    if (this.#control === undefined) {
      this.#end(
        new TransportError("no_responders", {
          message: `Nobody serves ${this.#request.what} (${this.#request.subject}) at the moment.`,
        }),
      );
      return;
    }
    const now = performance.now();
    if (this.#probing === undefined || now - this.#probing.lastAt > PROBE_EVERY_MS * 4)
      this.#probing = { since: now, lastAt: now, timer: undefined };
    const probing = this.#probing;
    probing.lastAt = now;
    if (now - probing.since >= this.#request.patienceMs) return this.#lost();
    probing.timer ??= setTimeout(() => {
      probing.timer = undefined;
      this.#tell({ type: "heartbeat", seq: this.#order.last });
    }, PROBE_EVERY_MS);
  }

  #stopProbing(): void {
    if (this.#probing === undefined) return;
    clearTimeout(this.#probing.timer);
    this.#probing = undefined;
  }

  #lost(): void {
    const { what } = this.#request;
    this.#abandon(
      new TransportError("stream_lost", {
        message: `The stream of ${what} was lost after frame ${this.#order.last}: the replica that held it, or the way to it, is gone.`,
      }),
    );
  }

  #unreadable(): void {
    const { what } = this.#request;
    this.#abandon(
      new TransportError("invalid_reply", { message: `What came on the stream of ${what} is not a frame.` }),
    );
  }

  /** Ends it here, and lets the other side know if it still listens. */
  #abandon(error: Error): void {
    this.#tell({ type: "cancel" });
    this.#end(error);
  }

  #end(error: Error | undefined): void {
    if (this.#over) return;
    this.#close();
    if (!this.#cancelled) this.#events.onOver(error);
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    clearTimeout(this.#gapTimer);
    this.#stopProbing();
    for (const stop of this.#stops.splice(0)) stop();
    this.#subscription.close();
  }

  #tooLate(): TransportError {
    const { what, timeoutMs } = this.#request;
    return new TransportError("timeout", { message: `${what} was not opened within ${Math.round(timeoutMs)} ms.` });
  }
}

/** A sender cannot make its readers shout. */
const MIN_HEARTBEAT_MS = 100;

function refusedByNats(subject: string): TransportError {
  return new TransportError("permission_denied", {
    message: `NATS refused to publish to ${subject}: the permissions of this connection do not cover it.`,
  });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
