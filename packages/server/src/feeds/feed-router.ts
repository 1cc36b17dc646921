import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { decodeBase64url, streamControlSubject } from "@trellis/contracts";
import {
  encodeStreamFrame,
  errorBody,
  HEADERS,
  inboxPrefix,
  isReplyTo,
  LIMITS,
  newInboxOwner,
  parseRequestHeaders,
  parseStreamControl,
  TransportError,
  UnexpectedError,
  ValidationError,
} from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import type { TracedWork } from "@trellis/telemetry";
import type { CallSurroundings } from "../call.ts";
import type { ServiceLimits } from "../limits.ts";
import type { RequestCheck } from "../request-check.ts";
import type { KnownSession, SessionDirectory } from "../session-directory.ts";
import { HeaderIndex, SignedRequest } from "../signed-request.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import { drained, FeedStream } from "./feed-stream.ts";
import type { StreamSurroundings } from "./feed-stream.ts";
import { Outbox } from "./outbox.ts";
import { carriesProof, Readers } from "./readers.ts";

export interface FeedRouterOptions {
  readonly link: Link;
  /** Replicas of one contract share its readers through this queue group. */
  readonly queue: string;
  /** Tells this replica from its siblings in the control subjects of its streams. */
  readonly instanceId: string;
  readonly endpoints: Iterable<FeedEndpoint>;
  readonly check: RequestCheck;
  readonly sessions: SessionDirectory;
  readonly limits: ServiceLimits;
  readonly surroundings: CallSurroundings;
}

/** How often readers, heartbeats and silence are looked at: well under the second a revoked reader may go on. */
const SWEEP_MS = 125;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * From a request on a feed's subject to an open stream, and from there to its end.
 *
 * 1. Nothing is opened or answered unless the reply subject is a stream inbox below the caller's own prefix and the
 *    request is signed by that caller.
 * 2. A stream takes control messages on a subject of its own whose last token, 132 random bits, only its reader was
 *    told. Nobody else is heard there, and a session proves itself only for its own streams.
 * 3. A drain tells every reader to open again elsewhere before the replica goes.
 */
export class FeedRouter {
  readonly #options: FeedRouterOptions;
  readonly #readers: Readers;
  readonly #outbox: Outbox;
  readonly #surroundings: StreamSurroundings;
  readonly #open = new Set<FeedStream>();
  /** Streams whose handlers are at work, ended ones too. */
  readonly #working = new Set<FeedStream>();
  #subscriptions: readonly LinkSubscription[] = [];
  #verifying = 0;
  #sweeping: ReturnType<typeof setInterval> | undefined;
  #reconnectedAt = Number.NEGATIVE_INFINITY;
  /** Sweeps so far. Silence is counted in them, not in time: a process that was held up has not listened. */
  #sweeps = 0;
  #stopListening: (() => void) | undefined;
  #draining = false;
  #idle: (() => void) | undefined;

  constructor(options: FeedRouterOptions) {
    const { link, check, sessions, limits, surroundings } = options;
    this.#options = options;
    const patienceMs = limits.feedHeartbeatMs * LIMITS.streamMissedHeartbeats;
    this.#readers = new Readers({ sessions, check, patienceMs });
    this.#outbox = new Outbox(link);
    this.#surroundings = {
      ...surroundings,
      link,
      outbox: this.#outbox,
      mayRead: (stream) => this.#readers.mayRead(stream),
      onOver: (stream) => this.#over(stream),
      onSettled: (stream) => {
        this.#working.delete(stream);
        if (this.#working.size === 0) this.#idle?.();
      },
    };
  }

  /** Feeds open now. */
  get openFeeds(): number {
    return this.#open.size;
  }

  start(): void {
    const { link, queue, endpoints } = this.#options;
    this.#subscriptions = [...endpoints].map((endpoint) =>
      link.subscribe(endpoint.subject, { queue, onMessage: (message) => this.#receive(endpoint, message) }),
    );
    this.#stopListening = link.onState((state) => {
      if (state === "connected") this.#cameBack();
    });
  }

  /** Opens nothing new and ends what is open with a word that another replica goes on. */
  async drain(withinMs: number): Promise<{ readonly left: number }> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
    this.#subscriptions = [];
    this.#draining = true;
    const error = drained();
    for (const stream of this.#open) stream.refuse(error);
    this.#outbox.flush();
    if (this.#working.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#idle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.close();
    return { left: this.#working.size };
  }

  /** Ends at once, without a word. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#draining = true;
    this.#stopListening?.();
    for (const stream of this.#open) stream.leave();
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #receive(endpoint: FeedEndpoint, message: LinkMessage): void {
    const { reply } = message;
    if (message.headers === undefined || message.subject !== endpoint.subject)
      return this.#ignore("malformed", endpoint);
    const index = new HeaderIndex(message.headers);
    const parsed = parseRequestHeaders(index);
    if (!parsed.ok) return this.#ignore("malformed", endpoint);
    if (reply === undefined || !isReplyTo(inboxPrefix(parsed.value.sessionKey), reply, "s"))
      return this.#ignore("foreignReply", endpoint);
    if (this.#verifying >= this.#options.limits.maxVerifying) return this.#ignore("tooMany", endpoint);
    const request = new SignedRequest(parsed.value, message.subject, message.data);
    const cursors = index.values(HEADERS.cursor);
    const traced = startServerSpan({ name: endpoint.name, surface: "feed", contractId: this.#options.queue }, index);
    void this.#admit(endpoint, request, reply, cursors, traced);
  }

  async #admit(
    endpoint: FeedEndpoint,
    request: SignedRequest,
    reply: string,
    cursors: readonly string[],
    traced: TracedWork,
  ): Promise<void> {
    let refusal: (Error & { readonly type: string }) | undefined;
    this.#verifying += 1;
    try {
      const checked = await this.#options.check.check(request, { required: endpoint.required, once: false });
      if (checked.kind === "forged") return this.#ignore("forged", endpoint);
      if (checked.kind === "refused") refusal = checked.error;
      else refusal = this.#tryOpen({ endpoint, request, reply, cursors, traced, session: checked.session });
    } catch (thrown) {
      const id = globalThis.crypto.randomUUID();
      this.#options.surroundings.log.error("A feed could not be opened.", { id, feed: endpoint.name, error: thrown });
      refusal = new UnexpectedError(id);
    } finally {
      this.#verifying -= 1;
      traced.end(refusal === undefined ? undefined : { type: refusal.type });
    }
    if (refusal !== undefined) this.#refuse(endpoint, reply, refusal);
  }

  #tryOpen(asked: {
    readonly endpoint: FeedEndpoint;
    readonly request: SignedRequest;
    readonly reply: string;
    readonly cursors: readonly string[];
    readonly traced: TracedWork;
    readonly session: KnownSession;
  }): (Error & { readonly type: string }) | undefined {
    const { endpoint, request } = asked;
    const { link, limits, instanceId } = this.#options;
    if (this.#draining) return drained();
    const full = this.#full(request.sessionKey);
    if (full !== undefined) return full;
    const cursor = readCursor(asked.cursors);
    if (cursor instanceof Error) return cursor;
    const input = readInput(endpoint, request.payload);
    if (input.error !== undefined) return input.error;
    const control = streamControlSubject(endpoint.subject, instanceId, newInboxOwner());
    const stream = new FeedStream(
      { ...asked, input: input.value, cursor, control, credits: limits.feedCredits },
      this.#surroundings,
    );
    stream.heardAt = this.#sweeps;
    stream.subscription = link.subscribe(control, { onMessage: (message) => this.#control(stream, message) });
    this.#open.add(stream);
    this.#working.add(stream);
    this.#readers.add(stream);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    void stream.run(limits.feedHeartbeatMs);
    return undefined;
  }

  #full(sessionKey: string): TransportError | undefined {
    const { maxOpenFeeds, maxOpenFeedsPerSession } = this.#options.limits;
    if (this.#open.size >= maxOpenFeeds) {
      return new TransportError("overloaded", {
        message: `This replica has ${maxOpenFeeds} feeds open and takes no more (maxOpenFeeds).`,
        hint: "Run more replicas, or open again after others have closed theirs.",
      });
    }
    if (this.#readers.openBy(sessionKey) >= maxOpenFeedsPerSession) {
      return new TransportError("overloaded", {
        message: `This session has ${maxOpenFeedsPerSession} feeds open at this replica, which is all it may have (maxOpenFeedsPerSession).`,
        hint: "Close feeds that are not read any more.",
      });
    }
    return undefined;
  }

  #control(stream: FeedStream, message: LinkMessage): void {
    if (stream.over || message.subject !== stream.control) return;
    const control = parseStreamControl(message.data);
    if (control === undefined) return;
    stream.heardAt = this.#sweeps;
    switch (control.type) {
      case "credits":
        return stream.grant(control.upTo);
      case "cancel":
        return stream.leave();
      case "heartbeat":
        if (carriesProof(message)) void this.#readers.prove(stream, message);
        // The reader is behind: it learns what it should have.
        if (control.seq < stream.sent) stream.heartbeat(false);
    }
  }

  #sweep(): void {
    const { link, limits } = this.#options;
    // Nobody can be heard or told anything; the readers' time begins when we are back.
    if (link.state !== "connected") return;
    const now = performance.now();
    this.#sweeps += 1;
    this.#readers.sweep(now, this.#reconnectedAt);
    const silentSince = this.#sweeps - (limits.feedHeartbeatMs * LIMITS.streamMissedHeartbeats) / SWEEP_MS;
    const idleSince = now - limits.feedHeartbeatMs;
    for (const stream of this.#open) {
      if (stream.heardAt < silentSince) {
        stream.log.debug("A reader of a feed fell silent.");
        stream.leave();
      } else if (stream.toldAt <= idleSince) stream.heartbeat(false);
    }
  }

  /** Frames may have been lost with the old connection: every reader hears at once what it should have. */
  #cameBack(): void {
    this.#reconnectedAt = performance.now();
    for (const stream of this.#open) {
      stream.heardAt = this.#sweeps;
      stream.heartbeat(false);
      stream.poke();
    }
  }

  #over(stream: FeedStream): void {
    this.#open.delete(stream);
    this.#readers.remove(stream);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  /** Answers an opening that did not succeed; the caller was verified. */
  #refuse(endpoint: FeedEndpoint, reply: string, error: Error & { readonly type: string }): void {
    const id = error instanceof UnexpectedError ? error.id : globalThis.crypto.randomUUID();
    const { link, surroundings } = this.#options;
    surroundings.log.debug("A feed was refused.", { id, feed: endpoint.name, type: error.type, reason: error.message });
    try {
      link.publish(reply, encodeStreamFrame({ type: "error", seq: 0, error: errorBody(error, id) }));
    } catch (thrown) {
      surroundings.log.debug("The refusal of a feed could not be sent.", { id, error: thrown });
    }
  }

  #ignore(why: string, endpoint: FeedEndpoint): void {
    this.#options.surroundings.log.debug("A message was not answered.", { why, feed: endpoint.name });
  }
}

function readInput(
  endpoint: FeedEndpoint,
  payload: Uint8Array,
): { readonly value?: unknown; readonly error?: ValidationError } {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    return { error: new ValidationError([{ path: "", message: "The payload is not JSON in UTF-8." }]) };
  }
  return endpoint.input.check(value) ? { value } : { error: new ValidationError(endpoint.input.errors(value)) };
}

function readCursor(values: readonly string[]): string | undefined | ValidationError {
  const [text, another] = values;
  if (text === undefined) return undefined;
  const bytes = another === undefined && text.length <= LIMITS.cursorBytes * 4 ? decodeBase64url(text) : undefined;
  try {
    if (bytes !== undefined) return decoder.decode(bytes);
  } catch {
    // Falls through: not UTF-8.
  }
  return new ValidationError([{ path: "", message: "The cursor is not one this feed has given." }]);
}
