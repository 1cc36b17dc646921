import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { decodeBase64url, streamControlSubject } from "@trellis/contracts";
import { HEADERS, LIMITS, newInboxOwner, TransportError, ValidationError } from "@trellis/protocol";
import type { CallSurroundings } from "../call.ts";
import type { ServiceLimits } from "../limits.ts";
import type { RequestCheck } from "../request-check.ts";
import type { SessionDirectory } from "../session-directory.ts";
import { OpenStreams } from "../streams/open-streams.ts";
import type { Refusal, StreamDoor, Visitor } from "../streams/stream-door.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import { drained, FeedStream } from "./feed-stream.ts";

export interface FeedRouterOptions {
  readonly link: Link;
  /** Replicas of one contract share its readers through this queue group. */
  readonly queue: string;
  /** The deployment, in the control subjects of its streams: no other hears them. */
  readonly service: string;
  /** Tells this replica from its siblings there. */
  readonly instanceId: string;
  readonly endpoints: Iterable<FeedEndpoint>;
  readonly door: StreamDoor;
  readonly check: RequestCheck;
  readonly sessions: SessionDirectory;
  readonly limits: ServiceLimits;
  readonly surroundings: CallSurroundings;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** From a request on a feed's subject to an open stream. A drain tells every reader to open again elsewhere. */
export class FeedRouter {
  readonly #options: FeedRouterOptions;
  readonly #open: OpenStreams;
  #subscriptions: readonly LinkSubscription[] = [];
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
    const { name, subject, required } = endpoint;
    this.#options.door.receive({ kind: "feed", name, subject, required }, message, (visitor) =>
      this.#tryOpen(endpoint, visitor),
    );
  }

  #tryOpen(endpoint: FeedEndpoint, visitor: Visitor): Refusal | undefined {
    const { request } = visitor;
    const { limits, service, instanceId } = this.#options;
    if (this.#draining) return drained();
    const full = this.#full(request.sessionKey);
    if (full !== undefined) return full;
    const cursor = readCursor(visitor.headers.values(HEADERS.cursor));
    if (cursor instanceof Error) return cursor;
    const input = readInput(endpoint, request.payload);
    if (input.error !== undefined) return input.error;
    const control = streamControlSubject(endpoint.root, service, instanceId, newInboxOwner());
    const stream = new FeedStream(
      {
        ...visitor,
        endpoint,
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
