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
import { OpenStreams } from "../streams/open-streams.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import { drained, FeedStream } from "./feed-stream.ts";

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

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * From a request on a feed's subject to an open stream.
 *
 * 1. Nothing is opened or answered unless the reply subject is a stream inbox below the caller's own prefix and the
 *    request is signed by that caller.
 * 2. A drain tells every reader to open again elsewhere before the replica goes.
 */
export class FeedRouter {
  readonly #options: FeedRouterOptions;
  readonly #open: OpenStreams;
  #subscriptions: readonly LinkSubscription[] = [];
  #verifying = 0;
  #draining = false;

  constructor(options: FeedRouterOptions) {
    const { link, check, sessions, limits, surroundings } = options;
    this.#options = options;
    this.#open = new OpenStreams({ link, check, sessions, surroundings, heartbeatMs: limits.feedHeartbeatMs });
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
  }

  /** Opens nothing new and ends what is open with a word that another replica goes on. */
  async drain(withinMs: number): Promise<{ readonly left: number }> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
    this.#subscriptions = [];
    this.#draining = true;
    return this.#open.drain(drained(), withinMs);
  }

  /** Ends at once, without a word. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#draining = true;
    this.#open.close();
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
    const { limits, instanceId } = this.#options;
    if (this.#draining) return drained();
    const full = this.#full(request.sessionKey);
    if (full !== undefined) return full;
    const cursor = readCursor(asked.cursors);
    if (cursor instanceof Error) return cursor;
    const input = readInput(endpoint, request.payload);
    if (input.error !== undefined) return input.error;
    const control = streamControlSubject(endpoint.root, instanceId, newInboxOwner());
    const stream = new FeedStream(
      {
        ...asked,
        what: `the feed ${endpoint.name}`,
        logFields: { feed: endpoint.name },
        required: endpoint.required,
        declared: endpoint.declared,
        input: input.value,
        cursor,
        control,
        credits: limits.feedCredits,
      },
      this.#open.host,
    );
    this.#open.add(stream);
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
    if (this.#open.openBy(sessionKey) >= maxOpenFeedsPerSession) {
      return new TransportError("overloaded", {
        message: `This session has ${maxOpenFeedsPerSession} feeds open at this replica, which is all it may have (maxOpenFeedsPerSession).`,
        hint: "Close feeds that are not read any more.",
      });
    }
    return undefined;
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
