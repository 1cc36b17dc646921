import type { MsgHdrs } from "@nats-io/nats-core";
import { decodeErrorBody, encodeStreamControl, LIMITS, TransportError } from "@trellis/protocol";
import type { KnownErrors, StreamFrame } from "@trellis/protocol";
import type { LinkMessage, LinkSubscription } from "../link.ts";
import type { CallTransport } from "../rpc-call.ts";

/** What opens a stream. */
export interface StreamRequest {
  /** For messages: `the feed Orders.Live`. */
  readonly what: string;
  /** Where it is asked for. */
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Added to the signed headers. */
  readonly extend: (headers: MsgHdrs) => void;
  /** How long until the stream must be open. */
  readonly timeoutMs: number;
  /** How long a stream whose replica NATS does not know may take to come back: it may be reconnecting. */
  readonly patienceMs: number;
  /** What the stream is about outlives it: losing the line does not cancel it. */
  readonly outlivesLoss?: boolean;
  /** Whether a stream asked for here may have its control there. */
  readonly isControl: (control: string) => boolean;
  /** Errors it may end with, beside those of the protocol. */
  readonly errors?: KnownErrors;
}

/** What every stream says, whatever else it carries. */
export type StreamBasics = Extract<StreamFrame, { readonly type: "ready" | "heartbeat" | "error" }>;

export interface StreamLineEvents<Told> {
  /** What a message says; `undefined` when it says nothing, which ends the stream. */
  read(message: LinkMessage): Told | StreamBasics | undefined;
  onReady(credits: number): void;
  onTold(told: Told, bytes: number): void;
  /** The other side says how far it has come. */
  onHeartbeat(seq: number): void;
  /** How far this side has come. */
  place(): number;
  /** Nothing follows. */
  onOver(error: Error | undefined): void;
}

const PROBE_EVERY_MS = 250;
/** A stream that opens after we gave up is heard of for this long, to let go of it. */
const LATE_READY_MS = 30_000;
const DEFAULT_HEARTBEAT_MS = LIMITS.streamHeartbeatMs;
/** A replica cannot make its peers shout. */
const MIN_HEARTBEAT_MS = 100;

/**
 * The line to the one replica that serves a stream: opens it, keeps it alive, proves who we are when asked, and notices
 * when the replica is gone.
 *
 * 1. `onOver` is called once, and nothing after it.
 * 2. It writes only to the subject it opened and to the control subject `ready` named, which has to belong to it.
 */
export class StreamLine<Told extends { readonly type: string }> {
  readonly #transport: CallTransport;
  readonly #request: StreamRequest;
  readonly #events: StreamLineEvents<Told>;
  readonly #inbox: string;
  readonly #subscription: LinkSubscription;
  readonly #stops: (() => void)[] = [];
  #control: string | undefined;
  #heartbeatMs: number = DEFAULT_HEARTBEAT_MS;
  /** Beats since something was heard. Beats are counted, not time: a process that was held up has not listened. */
  #silentBeats = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #probing: { readonly since: number; lastAt: number; timer: ReturnType<typeof setTimeout> | undefined } | undefined;
  #over = false;
  #cancelled = false;

  /** Asks for the stream; the answer comes through the events, never before the constructor returns. */
  constructor(transport: CallTransport, request: StreamRequest, events: StreamLineEvents<Told>) {
    this.#transport = transport;
    this.#request = request;
    this.#events = events;
    const { link } = transport;
    const { subject, subscription } = link.openStream((message) => this.#receive(message));
    this.#inbox = subject;
    this.#subscription = subscription;
    this.#stops.push(
      link.hearRefusals((refused) => {
        // Without the control subject a stream cannot go on: the permission was taken away while it was open.
        if (refused === (this.#control ?? request.subject)) this.end(refusedByNats(refused));
      }),
      link.onState((state) => {
        // A closed link says why to whoever asks it for something.
        if (state === "closed") link.flush().catch((reason: unknown) => this.end(asError(reason)));
        else if (state === "connected" && this.#control !== undefined) this.#cameBack();
      }),
    );
    this.#timer = setTimeout(() => this.#giveUp(), request.timeoutMs);
    this.#ask();
  }

  /** Nothing is heard or said any more. */
  get over(): boolean {
    return this.#over || this.#cancelled;
  }

  /** Writes to the replica that serves the stream. */
  tell(data: Uint8Array, headers?: MsgHdrs): void {
    if (this.#over || this.#control === undefined) return;
    try {
      // With our inbox as reply NATS tells us when nobody listens there any more.
      this.#transport.link.publish(this.#control, data, {
        reply: this.#inbox,
        ...(headers === undefined ? {} : { headers }),
      });
    } catch {
      // Not connected. What is said here is absolute and repeated; a lost cancel is a peer that fell silent.
    }
  }

  /** Signs what it writes; whoever knows the control subject cannot say it for us. */
  tellSigned(data: Uint8Array): void {
    if (this.#control === undefined) return;
    this.tell(data, this.#transport.signer.sign(this.#control, data, LIMITS.defaultDeadlineMs));
  }

  /** Wants no more; the other side hears of it at once. No event follows. */
  cancel(): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    // Not open yet: `ready` will say where to cancel, or the time for it runs out.
    if (this.#control === undefined) return;
    this.tell(encodeStreamControl({ type: "cancel" }));
    this.#close();
  }

  /** It did not open in time. A replica that is only late would otherwise keep it until it has heard nothing for long. */
  #giveUp(): void {
    const wasWanted = !this.#cancelled;
    this.#cancelled = true;
    this.#timer = setTimeout(() => this.#close(), LATE_READY_MS);
    if (wasWanted) this.#events.onOver(this.#tooLate());
  }

  /** What should have come did not. */
  lost(): void {
    const { what } = this.#request;
    this.#abandon(
      new TransportError("stream_lost", {
        message: `The stream of ${what} was lost after ${this.#events.place()}: the replica that held it, or the way to it, is gone.`,
      }),
    );
  }

  /** Ends it here. Without an error it is complete. */
  end(error: Error | undefined): void {
    if (this.#over) return;
    this.#close();
    if (!this.#cancelled) this.#events.onOver(error);
  }

  /** Ends it here, and lets the other side know if it still listens. */
  #abandon(error: Error): void {
    if (this.#request.outlivesLoss !== true) this.tell(encodeStreamControl({ type: "cancel" }));
    this.end(error);
  }

  #ask(): void {
    const { link, signer } = this.#transport;
    const { subject, payload, timeoutMs, extend } = this.#request;
    try {
      const headers = signer.sign(subject, payload, timeoutMs);
      extend(headers);
      link.publish(subject, payload, { headers, reply: this.#inbox });
    } catch (error) {
      queueMicrotask(() => this.end(asError(error)));
    }
  }

  #receive(message: LinkMessage): void {
    if (this.#over) return;
    if (message.data.length === 0 && message.headers?.code === 503) return this.#nobodyThere();
    const told = this.#events.read(message);
    if (told === undefined) return this.#unreadable();
    this.#silentBeats = 0;
    this.#stopProbing();
    if (this.#control === undefined && told.type !== "ready" && told.type !== "error") return;
    if (!isBasic(told)) {
      if (!this.#cancelled) this.#events.onTold(told, message.data.length);
      return;
    }
    switch (told.type) {
      case "ready":
        return this.#ready(told);
      case "heartbeat":
        if (told.prove === true) this.tellSigned(encodeStreamControl(this.#beatOf()));
        return this.#events.onHeartbeat(told.seq);
      case "error":
        return this.end(decodeErrorBody(told.error, this.#request.errors));
    }
  }

  #ready({ control, credits, heartbeatMs }: Extract<StreamFrame, { readonly type: "ready" }>): void {
    if (this.#control !== undefined) return;
    // The answering side does not choose where we publish.
    if (!this.#request.isControl(control)) return this.#unreadable();
    this.#control = control;
    clearTimeout(this.#timer);
    if (this.#cancelled) {
      this.tell(encodeStreamControl({ type: "cancel" }));
      return this.#close();
    }
    this.#heartbeatMs = Math.max(MIN_HEARTBEAT_MS, heartbeatMs ?? DEFAULT_HEARTBEAT_MS);
    this.#timer = setInterval(() => this.#beat(), this.#heartbeatMs);
    this.#events.onReady(credits);
  }

  #beat(): void {
    if (this.#transport.link.state !== "connected") return;
    this.#silentBeats += 1;
    if (this.#silentBeats > LIMITS.streamMissedHeartbeats) return this.lost();
    this.tell(encodeStreamControl(this.#beatOf()));
  }

  #beatOf() {
    return { type: "heartbeat", seq: this.#events.place() } as const;
  }

  /** Between two connections anything may have been lost; the other side's next word shows what. */
  #cameBack(): void {
    this.#silentBeats = 0;
    this.tell(encodeStreamControl(this.#beatOf()));
  }

  /** NATS knows nobody at the subject we wrote to. */
  #nobodyThere(): void {
    if (this.#control === undefined) {
      const { what, subject } = this.#request;
      return this.end(
        new TransportError("no_responders", { message: `Nobody serves ${what} (${subject}) at the moment.` }),
      );
    }
    const now = performance.now();
    if (this.#probing === undefined || now - this.#probing.lastAt > PROBE_EVERY_MS * 4)
      this.#probing = { since: now, lastAt: now, timer: undefined };
    const probing = this.#probing;
    probing.lastAt = now;
    if (now - probing.since >= this.#request.patienceMs) return this.lost();
    probing.timer ??= setTimeout(() => {
      probing.timer = undefined;
      this.tell(encodeStreamControl(this.#beatOf()));
    }, PROBE_EVERY_MS);
  }

  #stopProbing(): void {
    if (this.#probing === undefined) return;
    clearTimeout(this.#probing.timer);
    this.#probing = undefined;
  }

  #unreadable(): void {
    this.#abandon(
      new TransportError("invalid_reply", {
        message: `What came on the stream of ${this.#request.what} cannot be read.`,
      }),
    );
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    this.#stopProbing();
    for (const stop of this.#stops.splice(0)) stop();
    this.#subscription.close();
  }

  #tooLate(): TransportError {
    const { what, timeoutMs } = this.#request;
    return new TransportError("timeout", { message: `${what} was not opened within ${Math.round(timeoutMs)} ms.` });
  }
}

function isBasic(told: { readonly type: string }): told is StreamBasics {
  return told.type === "ready" || told.type === "heartbeat" || told.type === "error";
}

function refusedByNats(subject: string): TransportError {
  return new TransportError("permission_denied", {
    message: `NATS refused to publish to ${subject}: the permissions of this connection do not cover it.`,
  });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
