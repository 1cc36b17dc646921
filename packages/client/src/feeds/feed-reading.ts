import type { Json } from "@trellis/contracts";
import { encodeBase64url } from "@trellis/contracts";
import {
  AuthError,
  HEADERS,
  isControlOf,
  LIMITS,
  parseStreamFrame,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { StreamFrame } from "@trellis/protocol";
import { startClientSpan } from "@trellis/telemetry";
import { notGranted } from "../not-granted.ts";
import { reconnectDelayMs } from "../reconnect-delay.ts";
import type { CallTransport } from "../rpc-call.ts";
import { CreditWindow } from "../streams/credit-window.ts";
import { openingTurnsOf } from "../streams/opening-turns.ts";
import { StreamReader } from "../streams/stream-reader.ts";
import type { FeedOptions, FeedReading } from "./feed-types.ts";
import type { ReadableFeed } from "./readable-feeds.ts";

type Read = IteratorResult<unknown, undefined>;

interface Waiting {
  readonly resolve: (read: Read) => void;
  readonly reject: (error: Error) => void;
}

interface Unread {
  readonly data: Json;
  readonly cursor: string | undefined;
  /** The stream it came on: only the present one is owed credits. */
  readonly window: CreditWindow;
}

type Frame = Extract<StreamFrame, { readonly type: "frame" }>;
type End = Extract<StreamFrame, { readonly type: "end" }>;

const encoder = new TextEncoder();
const DONE: Read = { done: true, value: undefined };
/** A feed that loses its place opens again where it may; one that cannot gives its replica this long to come back. */
const PATIENCE_MS = 3_000;

/**
 * One reading of a feed, over as many streams as it takes.
 *
 * 1. Frames come in order; none is missed while the feed gives cursors, and otherwise the reading ends with an error.
 * 2. What was received before an end or an error is handed out before it.
 * 3. Leaving (`return`, `break`, the signal) cancels the stream at once and drops what was not handed out.
 */
export class Reading implements FeedReading<unknown> {
  readonly #transport: CallTransport;
  readonly #feed: ReadableFeed;
  readonly #input: unknown;
  readonly #options: FeedOptions;
  /** The readings under way; whoever closes the client ends them. */
  readonly #underWay: Set<Reading>;
  readonly #onAbort = (): void => this.#leave(abortReason(this.#options.signal));
  #payload: Uint8Array = new Uint8Array(0);
  #queue: Unread[] = [];
  #head = 0;
  #waiting: Waiting[] = [];
  #stream: StreamReader<Frame, End> | undefined;
  #window: CreditWindow | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #opening: PromiseWithResolvers<void> | undefined;
  #state: "new" | "opening" | "open" | "over" = "new";
  /** Whether a service has accepted it at least once. */
  #wasOpen = false;
  #openBy = 0;
  #giveTurn: (() => void) | undefined;
  #attempt = 0;
  #clockMended = false;
  /** Of the last frame received, which is where a new stream goes on. */
  #place: string | undefined;
  #cursor: string | undefined;
  #failure: Error | undefined;

  constructor(
    transport: CallTransport,
    feed: ReadableFeed,
    input: unknown,
    options: FeedOptions,
    underWay: Set<Reading>,
  ) {
    this.#transport = transport;
    this.#feed = feed;
    this.#input = input;
    this.#options = options;
    this.#underWay = underWay;
    this.#place = options.cursor;
    this.#cursor = options.cursor;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  opened(): Promise<void> {
    if (this.#wasOpen) return Promise.resolve();
    if (this.#state === "over") return Promise.reject(this.#failure ?? new TransportError("cancelled"));
    this.#opening ??= Promise.withResolvers();
    this.#begin();
    return this.#opening.promise;
  }

  next(): Promise<Read> {
    const unread = this.#queue[this.#head];
    if (unread !== undefined) {
      this.#head += 1;
      if (this.#head === this.#queue.length || this.#head > 1_024) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve(this.#handOut(unread));
    }
    if (this.#state === "over") {
      const failure = this.#failure;
      this.#failure = undefined;
      return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure);
    }
    const read = new Promise<Read>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#begin();
    return read;
  }

  return(): Promise<Read> {
    this.#leave(undefined);
    return Promise.resolve(DONE);
  }

  /** Ends it from outside, with the error the loop throws. */
  close(error: Error): void {
    this.#leave(error);
  }

  #begin(): void {
    if (this.#state !== "new") return;
    this.#state = "opening";
    this.#underWay.add(this);
    const { signal, timeoutMs = LIMITS.defaultDeadlineMs } = this.#options;
    if (signal?.aborted === true) return this.#finish(abortReason(signal));
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    const payload = encodeInput(this.#feed, this.#input);
    if (payload instanceof Error) return this.#finish(payload);
    this.#payload = payload;
    this.#openBy = performance.now() + Math.min(timeoutMs, LIMITS.maxDeadlineMs);
    this.#open();
  }

  #open(): void {
    const openBy = this.#wasOpen ? performance.now() + LIMITS.defaultDeadlineMs : this.#openBy;
    const leftMs = (): number => Math.max(1, openBy - performance.now());
    // Until it is its turn.
    this.#retry = setTimeout(() => this.#streamOver(neverAsked(this.#feed)), leftMs());
    this.#giveTurn = openingTurnsOf(this.#transport.link).take(this.#feed.subject, () => {
      clearTimeout(this.#retry);
      this.#ask(leftMs());
    });
  }

  #turnOver(): void {
    this.#giveTurn?.();
    this.#giveTurn = undefined;
  }

  #ask(timeoutMs: number): void {
    const { subject, root = subject, errors, name, contractId } = this.#feed;
    const place = this.#place;
    this.#stream = new StreamReader<Frame, End>(
      this.#transport,
      {
        what: `the feed ${name}`,
        subject,
        ...(errors === undefined ? {} : { errors }),
        payload: this.#payload,
        timeoutMs,
        patienceMs: this.#mayGoOn() ? 0 : PATIENCE_MS,
        isControl: (control) => isControlOf(root, control),
        extend: (headers) => {
          if (place !== undefined) headers.set(HEADERS.cursor, encodeBase64url(encoder.encode(place)));
          // The span is of the opening; what happens in the hours after is the handler's.
          startClientSpan(
            { name, surface: "feed", ...(contractId === undefined ? {} : { contractId }) },
            headers,
          ).end();
        },
      },
      {
        read: ({ data }) => parseStreamFrame(data),
        onReady: (credits) => this.#ready(credits),
        onFrame: (frame, bytes) => this.#receive(frame, bytes),
        onOver: (outcome) => this.#streamOver("error" in outcome ? outcome.error : undefined),
      },
    );
  }

  #ready(credits: number): void {
    this.#turnOver();
    this.#state = "open";
    this.#wasOpen = true;
    this.#attempt = 0;
    this.#clockMended = false;
    this.#window = new CreditWindow(credits);
    this.#opening?.resolve();
  }

  #receive({ data, cursor }: Frame, bytes: number): void {
    const window = this.#window;
    if (window === undefined) return;
    if (!this.#feed.event.check(data)) {
      this.#stream?.cancel();
      const [issue] = this.#feed.event.errors(data);
      const where =
        issue === undefined ? "" : ` (${issue.path === "" ? "the whole frame" : issue.path}: ${issue.message})`;
      return this.#finish(
        new TransportError("invalid_reply", {
          message: `A frame of ${this.#feed.name} is not what its contract says${where}.`,
        }),
      );
    }
    window.received(bytes);
    if (cursor !== undefined) this.#place = cursor;
    const unread: Unread = { data, cursor, window };
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#queue.push(unread);
    else waiting.resolve(this.#handOut(unread));
  }

  #handOut({ data, cursor, window }: Unread): Read {
    if (cursor !== undefined) this.#cursor = cursor;
    if (window === this.#window) {
      const upTo = window.consumed(this.#queue.length - this.#head);
      if (upTo !== undefined) this.#stream?.grant(upTo);
    }
    return { done: false, value: data };
  }

  #streamOver(error: Error | undefined): void {
    this.#turnOver();
    this.#stream = undefined;
    this.#window = undefined;
    if (this.#state === "over") return;
    if (error === undefined) return this.#finish(undefined);
    const { refresh } = this.#transport;
    if (
      error instanceof AuthError &&
      error.reason === "iat_out_of_range" &&
      refresh !== undefined &&
      !this.#clockMended
    ) {
      // Refused for the time of signing, because our clock had drifted: once it is right, a new signature will do.
      this.#clockMended = true;
      if (!this.#wasOpen || this.#mayGoOn()) {
        void refresh.call(this.#transport).then(() => this.#again(error));
        return;
      }
    }
    const told =
      error instanceof TransportError && error.code === "permission_denied"
        ? notGranted({ ...this.#feed, selection: "feeds.subscribe" }, this.#transport)
        : error;
    if (!this.#isWorthAnother(told)) return this.#finish(told);
    this.#again(told);
  }

  /** Opens it once more, soon; the first time at once-ish, so that a replaced replica is hardly felt. */
  #again(why: Error): void {
    if (this.#state === "over") return;
    this.#state = "opening";
    if (this.#wasOpen && this.#attempt === 0) this.#options.onReopen?.(why);
    this.#retry = setTimeout(() => this.#open(), reconnectDelayMs(this.#attempt));
    this.#attempt += 1;
  }

  #isWorthAnother(error: Error): boolean {
    if (!(error instanceof TransportError) || !error.retryable) return false;
    if (this.#wasOpen) return this.#mayGoOn();
    // A replica that has just started, or cannot reach the control plane yet.
    return error.code === "retry_later" && performance.now() < this.#openBy;
  }

  #mayGoOn(): boolean {
    const { reopen } = this.#options;
    return reopen !== false && (reopen === true || this.#place !== undefined);
  }

  #leave(error: Error | undefined): void {
    if (this.#state === "over") {
      this.#queue = [];
      this.#head = 0;
      this.#failure = undefined;
      return;
    }
    this.#queue = [];
    this.#head = 0;
    this.#stream?.cancel();
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#turnOver();
    this.#stream = undefined;
    this.#window = undefined;
    clearTimeout(this.#retry);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#opening?.promise.catch(() => undefined);
    if (!this.#wasOpen) this.#opening?.reject(error ?? new TransportError("cancelled"));
    this.#failure = error;
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (first !== undefined && error !== undefined) {
      this.#failure = undefined;
      first.reject(error);
    } else first?.resolve(DONE);
    for (const each of others) each.resolve(DONE);
    this.#underWay.delete(this);
  }
}

function encodeInput(feed: ReadableFeed, input: unknown): Uint8Array | ValidationError {
  if (!feed.input.check(input))
    return new ValidationError(feed.input.errors(input), { message: describeInput(feed, input) });
  try {
    return encoder.encode(JSON.stringify(input));
  } catch (error) {
    const message = error instanceof Error ? error.message : "it cannot be written as JSON";
    return new ValidationError([{ path: "", message }]);
  }
}

function describeInput(feed: ReadableFeed, input: unknown): string {
  const [issue] = feed.input.errors(input);
  const where = issue === undefined || issue.path === "" ? "the input" : issue.path;
  const what =
    input === undefined ? "there is none; pass {} when it has no members" : (issue?.message ?? "does not match");
  return `The input of ${feed.name} does not match its contract: ${where}: ${what}.`;
}

/** Others of this client were still being opened when its time was over. */
function neverAsked({ name }: ReadableFeed): TransportError {
  return new TransportError("timeout", {
    message: `${name} was not opened in time: too many were to be opened at once.`,
    hint: "Open fewer at once, or give each more time (timeoutMs).",
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new TransportError("cancelled");
}
