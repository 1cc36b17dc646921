import type { MsgHdrs } from "@nats-io/nats-core";
import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { encodeStreamFrame, errorBody, isForCaller, TransportError, UnexpectedError } from "@trellis/protocol";
import type { TracedWork } from "@trellis/telemetry";
import type { Caller } from "../authority.ts";
import type { CallSurroundings } from "../call.ts";
import type { Log, LogFields } from "../log.ts";
import type { KnownSession } from "../session-directory.ts";
import type { SignedRequest } from "../signed-request.ts";
import type { Outbox } from "./outbox.ts";

/** What all streams of one kind at this replica share. */
export interface StreamHost extends CallSurroundings {
  readonly link: Link;
  readonly outbox: Outbox;
  /** Whether the peer may be sent something, or something be taken from it, at this instant. */
  readonly mayGoOn: (stream: ServedStream) => boolean;
  /** It sends nothing any more; what serves it may still be at work. */
  readonly onOver: (stream: ServedStream) => void;
  /** What serves it is done too. */
  readonly onSettled: (stream: ServedStream) => void;
}

/** What a stream is opened with, once the request for it was checked. */
export interface StreamOpening {
  /** For messages: `the feed Orders.Live`. */
  readonly what: string;
  readonly logFields: LogFields;
  /** Global keys of the capabilities the peer must hold, for as long as the stream is open. */
  readonly required: readonly string[];
  /** Types of the errors it may end with, beside those of the protocol. */
  readonly declared?: ReadonlySet<string>;
  readonly request: SignedRequest;
  readonly reply: string;
  readonly session: KnownSession;
  readonly control: string;
  readonly traced: TracedWork;
}

const NO_ERRORS: ReadonlySet<string> = new Set();

/**
 * One open stream on this replica: its peer, what the peer is told, and how it ends.
 *
 * 1. Nothing of the peer is taken and nothing is sent to it unless it may at that instant; what waits for that is woken by `poke`.
 * 2. Once over, nothing leaves any more and the signal is aborted.
 */
export abstract class ServedStream {
  readonly what: string;
  readonly required: readonly string[];
  readonly request: SignedRequest;
  readonly control: string;
  /** The newest that is known about the peer's session. */
  session: KnownSession;
  over = false;
  /** When the peer was last heard, in sweeps of `OpenStreams`. */
  heardAt = 0;
  /** When the peer was last told something, by the monotonic clock. */
  toldAt: number;
  subscription: LinkSubscription | undefined;
  protected readonly host: StreamHost;
  protected readonly traced: TracedWork;
  readonly #declared: ReadonlySet<string>;
  readonly #reply: string;
  readonly #logFields: LogFields;
  readonly #abort = new AbortController();
  #wake: (() => void) | undefined;
  #log: Log | undefined;

  constructor(opening: StreamOpening, host: StreamHost) {
    this.what = opening.what;
    this.required = opening.required;
    this.request = opening.request;
    this.control = opening.control;
    this.session = opening.session;
    this.traced = opening.traced;
    this.host = host;
    this.toldAt = performance.now();
    this.#declared = opening.declared ?? NO_ERRORS;
    this.#reply = opening.reply;
    this.#logFields = opening.logFields;
  }

  /** The last sequence this side accounts for; heartbeats carry it. */
  abstract get place(): number;

  /** Takes what came on the control subject; `false` when it means nothing. */
  abstract hear(message: LinkMessage): boolean;

  get caller(): Caller {
    return this.session.caller;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get log(): Log {
    this.#log ??= this.host.log.child({
      ...this.#logFields,
      request: this.request.headers.requestId,
      caller: this.caller.id,
      trace: this.traced.traceId,
    });
    return this.#log;
  }

  may(capability: string): boolean {
    return this.session.capabilities.has(capability);
  }

  /** Something changed that a waiting step may have waited for. */
  poke(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  heartbeat(prove: boolean): void {
    this.tell(encodeStreamFrame({ type: "heartbeat", seq: this.place, ...(prove ? { prove } : {}) }));
  }

  /** Ends it with an error the peer may know. */
  refuse(error: Error & { readonly type: string }): void {
    this.#endWithError(error, globalThis.crypto.randomUUID());
  }

  /** Ends it without a word: the peer left, or cannot be reached. */
  leave(): void {
    this.end();
  }

  /** Sends one message to the peer. */
  protected tell(data: Uint8Array, headers?: MsgHdrs): void {
    this.toldAt = performance.now();
    this.host.outbox.send(this.#reply, data, this.#onNotSent, headers);
  }

  /** Resolves at the next `poke`. */
  protected changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Whether the peer can be reached and may be served now. */
  protected mayGoOn(): boolean {
    return this.host.link.state === "connected" && this.host.mayGoOn(this);
  }

  protected failed(message: string, thrown: unknown): void {
    // What is thrown after the signal was aborted is how it stopped.
    if (this.over) return;
    if (isForCaller(thrown, this.#declared)) this.refuse(thrown);
    else this.unexpected(message, thrown);
  }

  /** The peer learns an id and nothing else; what happened is in the log under it. */
  protected unexpected(message: string, cause?: unknown, fields: LogFields = {}): void {
    if (this.over) return;
    const id = globalThis.crypto.randomUUID();
    this.log.error(message, { id, ...fields, ...(cause === undefined ? {} : { error: cause }) });
    this.#endWithError(new UnexpectedError(id), id);
  }

  protected end(): void {
    if (this.over) return;
    this.over = true;
    // The last word goes out before NATS can say that nobody is here.
    this.host.outbox.flush();
    this.subscription?.close();
    this.#abort.abort(new DOMException(`Nobody is at the other end of ${this.what} any more.`, "AbortError"));
    this.onEnd();
    this.poke();
    this.host.onOver(this);
  }

  /** Lets go of what it held. */
  protected onEnd(): void {}

  readonly #onNotSent = (error: unknown): void => {
    if (this.over) return;
    if (error instanceof TransportError && error.code === "payload_too_large")
      this.unexpected(`A message of ${this.what} is larger than NATS takes.`, error);
    // Not connected for too long: a stream with a gap is over, and its peer opens another.
    else this.leave();
  };

  #endWithError(error: Error, id: string): void {
    if (this.over) return;
    this.tell(encodeStreamFrame({ type: "error", seq: this.place, error: errorBody(error, id) }));
    this.end();
  }
}
