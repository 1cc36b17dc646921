import type { LinkMessage } from "@trellis/client/internal";
import { AuthError, HEADERS, parseRequestHeaders, TransportError } from "@trellis/protocol";
import type { RequestCheck } from "../request-check.ts";
import type { KnownSession, SessionDirectory } from "../session-directory.ts";
import { HeaderIndex, SignedRequest } from "../signed-request.ts";
import type { FeedStream } from "./feed-stream.ts";

/** A reader that was asked to prove itself has this long, less the time it took to notice. */
const PROVE_WITHIN_MS = 600;
/** Not everybody is asked at once: one proof confirms every feed of a session. */
const ASK_AGAIN_MS = 250;

interface Reader {
  readonly streams: Set<FeedStream>;
  /** What its streams were last compared with. */
  known: KnownSession | undefined;
  askedAt: number;
  /** Since when nothing certain is known about its session. */
  doubtedAt: number | undefined;
  verifying: boolean;
}

/** Reasons that are about one proof, and that a new one may mend. */
const ABOUT_ONE_PROOF: ReadonlySet<string> = new Set(["invalid_signature", "replayed", "iat_out_of_range"]);

/**
 * Who reads, and whether they still may. The session of a reader is known for a lease, like that of any caller; before
 * the lease ends, or when a change concerns the session, one of its readers is asked for a signed heartbeat and the
 * directory learns from it what it learns from a request. Until then no frame leaves.
 */
export class Readers {
  readonly #sessions: SessionDirectory;
  readonly #check: RequestCheck;
  /** How long a reader that may be reconnecting, as we did, has to prove itself. */
  readonly #patienceMs: number;
  readonly #readers = new Map<string, Reader>();

  constructor(options: {
    readonly sessions: SessionDirectory;
    readonly check: RequestCheck;
    readonly patienceMs: number;
  }) {
    this.#sessions = options.sessions;
    this.#check = options.check;
    this.#patienceMs = options.patienceMs;
  }

  /** Feeds that one session has open here. */
  openBy(sessionKey: string): number {
    return this.#readers.get(sessionKey)?.streams.size ?? 0;
  }

  add(stream: FeedStream): void {
    const key = stream.request.sessionKey;
    const reader = this.#readers.get(key);
    if (reader !== undefined) reader.streams.add(stream);
    else {
      this.#readers.set(key, {
        streams: new Set([stream]),
        known: undefined,
        askedAt: Number.NEGATIVE_INFINITY,
        doubtedAt: undefined,
        verifying: false,
      });
    }
  }

  remove(stream: FeedStream): void {
    const key = stream.request.sessionKey;
    const reader = this.#readers.get(key);
    if (reader?.streams.delete(stream) === true && reader.streams.size === 0) this.#readers.delete(key);
  }

  /** Whether this reader may be sent a frame now. One that may not read at all any more is told so. */
  mayRead(stream: FeedStream): boolean {
    const known = this.#sessions.standing(stream.request.sessionKey);
    if (known === undefined) {
      const reader = this.#readers.get(stream.request.sessionKey);
      if (reader !== undefined && reader.doubtedAt === undefined) this.#doubt(reader, performance.now());
      return false;
    }
    if (known === stream.session) return true;
    stream.session = known;
    const missing = stream.endpoint.required.find((capability) => !known.capabilities.has(capability));
    if (missing === undefined) return true;
    stream.refuse(
      new AuthError("insufficient_permissions", {
        message: `This feed needs the capability ${missing}, which is gone.`,
      }),
    );
    return false;
  }

  /** Looks at every reader; often enough that none goes on for a second without the right to. */
  sweep(now: number, reconnectedAt: number): void {
    const settling = now - reconnectedAt < this.#patienceMs;
    for (const [key, reader] of this.#readers) {
      const known = this.#sessions.standing(key);
      if (known === undefined) {
        if (reader.doubtedAt === undefined) this.#doubt(reader, now);
        else this.#pursue(reader, now, settling ? this.#patienceMs : PROVE_WITHIN_MS);
        continue;
      }
      if (reader.doubtedAt !== undefined || reader.known !== known) {
        reader.doubtedAt = undefined;
        reader.known = known;
        // Wakes what waited for this, and tells those that lost a capability.
        for (const stream of reader.streams) if (this.mayRead(stream)) stream.poke();
      }
      if (this.#sessions.isAgeing(key) && now - reader.askedAt > ASK_AGAIN_MS * 4) this.#ask(reader, now);
    }
  }

  /** Takes a heartbeat that carries a proof. */
  async prove(stream: FeedStream, message: LinkMessage): Promise<void> {
    const key = stream.request.sessionKey;
    const reader = this.#readers.get(key);
    // A proof nobody asked for costs its sender more than us.
    if (reader === undefined || reader.verifying || message.headers === undefined) return;
    if (this.#sessions.standing(key) !== undefined && !this.#sessions.isAgeing(key)) return;
    const parsed = parseRequestHeaders(new HeaderIndex(message.headers));
    if (!parsed.ok || parsed.value.sessionKey !== key) return;
    reader.verifying = true;
    try {
      const request = new SignedRequest(parsed.value, message.subject, message.data);
      // Each feed of the session looks at its own capabilities.
      const checked = await this.#check.check(request, { required: [], once: false });
      if (checked.kind === "refused" && checked.error instanceof AuthError) {
        const { error } = checked;
        if (!ABOUT_ONE_PROOF.has(error.reason)) for (const each of reader.streams) each.refuse(error);
        else if (error.reason === "iat_out_of_range") stream.refuse(error);
      }
    } finally {
      reader.verifying = false;
    }
    if (this.#sessions.standing(key) === undefined) return;
    reader.doubtedAt = undefined;
    for (const each of reader.streams) each.poke();
  }

  #doubt(reader: Reader, now: number): void {
    reader.doubtedAt = now;
    this.#ask(reader, now);
  }

  #ask(reader: Reader, now: number): void {
    reader.askedAt = now;
    const [first] = reader.streams;
    first?.heartbeat(true);
  }

  #pursue(reader: Reader, now: number, withinMs: number): void {
    // The control plane has been asked and has its own time to answer.
    if (reader.verifying || reader.doubtedAt === undefined) return;
    if (now - reader.doubtedAt >= withinMs) {
      for (const stream of reader.streams) stream.refuse(unconfirmed());
    } else if (now - reader.askedAt >= ASK_AGAIN_MS) {
      reader.askedAt = now;
      for (const stream of reader.streams) stream.heartbeat(true);
    }
  }
}

/** Whether a control message carries a proof. */
export function carriesProof(message: LinkMessage): boolean {
  return message.headers?.has(HEADERS.sessionKey) === true;
}

function unconfirmed(): TransportError {
  return new TransportError("retry_later", {
    message: "Whether this session may still read the feed could not be confirmed in time.",
    hint: "Open the feed again.",
  });
}
