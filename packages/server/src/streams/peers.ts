import type { LinkMessage } from "@trellis/client/internal";
import { AuthError, HEADERS, parseRequestHeaders, TransportError } from "@trellis/protocol";
import type { RequestCheck } from "../request-check.ts";
import type { KnownSession, SessionDirectory } from "../session-directory.ts";
import { HeaderIndex, SignedRequest } from "../signed-request.ts";
import type { ServedStream } from "./served-stream.ts";

/** A peer that was asked to prove itself has this long, less the time it took to notice. */
const PROVE_WITHIN_MS = 600;
/** Not everybody is asked at once: one proof confirms every stream of a session. */
const ASK_AGAIN_MS = 250;

interface Peer {
  readonly streams: Set<ServedStream>;
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
 * Who is at the other end of streams, and whether they still may be. The session of a peer is known for a lease, like
 * that of any caller; before the lease ends, or when a change concerns the session, one of its streams asks for a signed
 * heartbeat and the directory learns from it what it learns from a request. Until then the stream stands still.
 */
export class Peers {
  readonly #sessions: SessionDirectory;
  readonly #check: RequestCheck;
  /** How long a peer that may be reconnecting, as we did, has to prove itself. */
  readonly #patienceMs: number;
  readonly #peers = new Map<string, Peer>();

  constructor(options: {
    readonly sessions: SessionDirectory;
    readonly check: RequestCheck;
    readonly patienceMs: number;
  }) {
    this.#sessions = options.sessions;
    this.#check = options.check;
    this.#patienceMs = options.patienceMs;
  }

  /** Streams that one session has open here. */
  openBy(sessionKey: string): number {
    return this.#peers.get(sessionKey)?.streams.size ?? 0;
  }

  add(stream: ServedStream): void {
    const key = stream.request.sessionKey;
    const peer = this.#peers.get(key);
    if (peer !== undefined) peer.streams.add(stream);
    else {
      this.#peers.set(key, {
        streams: new Set([stream]),
        known: undefined,
        askedAt: Number.NEGATIVE_INFINITY,
        doubtedAt: undefined,
        verifying: false,
      });
    }
  }

  remove(stream: ServedStream): void {
    const key = stream.request.sessionKey;
    const peer = this.#peers.get(key);
    if (peer?.streams.delete(stream) === true && peer.streams.size === 0) this.#peers.delete(key);
  }

  /** Whether the stream of this peer may go on now. A peer that may not at all any more is told so. */
  mayGoOn(stream: ServedStream): boolean {
    const known = this.#sessions.standing(stream.request.sessionKey);
    if (known === undefined) {
      const peer = this.#peers.get(stream.request.sessionKey);
      if (peer !== undefined && peer.doubtedAt === undefined) this.#doubt(peer, performance.now());
      return false;
    }
    if (known === stream.session) return true;
    stream.session = known;
    const missing = stream.required.find((capability) => !known.capabilities.has(capability));
    if (missing === undefined) return true;
    stream.refuse(
      new AuthError("insufficient_permissions", {
        message: `The capability ${missing}, which ${stream.what} needs, is gone.`,
      }),
    );
    return false;
  }

  /** Looks at every peer; often enough that none goes on for a second without the right to. */
  sweep(now: number, reconnectedAt: number): void {
    const settling = now - reconnectedAt < this.#patienceMs;
    for (const [key, peer] of this.#peers) {
      const known = this.#sessions.standing(key);
      if (known === undefined) {
        if (peer.doubtedAt === undefined) this.#doubt(peer, now);
        else this.#pursue(peer, now, settling ? this.#patienceMs : PROVE_WITHIN_MS);
        continue;
      }
      if (peer.doubtedAt !== undefined || peer.known !== known) {
        peer.doubtedAt = undefined;
        peer.known = known;
        // Wakes what waited for this, and tells those that lost a capability.
        for (const stream of peer.streams) if (this.mayGoOn(stream)) stream.poke();
      }
      if (this.#sessions.isAgeing(key) && now - peer.askedAt > ASK_AGAIN_MS * 4) this.#ask(peer, now);
    }
  }

  /** Takes a heartbeat that carries a proof. */
  async prove(stream: ServedStream, message: LinkMessage): Promise<void> {
    const key = stream.request.sessionKey;
    const peer = this.#peers.get(key);
    // A proof nobody asked for costs its sender more than us.
    if (peer === undefined || peer.verifying || message.headers === undefined) return;
    if (this.#sessions.standing(key) !== undefined && !this.#sessions.isAgeing(key)) return;
    const parsed = parseRequestHeaders(new HeaderIndex(message.headers));
    if (!parsed.ok || parsed.value.sessionKey !== key) return;
    peer.verifying = true;
    try {
      const request = new SignedRequest(parsed.value, message.subject, message.data);
      // Each stream of the session looks at its own capabilities.
      const checked = await this.#check.check(request, { required: [], once: false });
      if (checked.kind === "refused" && checked.error instanceof AuthError) {
        const { error } = checked;
        if (!ABOUT_ONE_PROOF.has(error.reason)) for (const each of peer.streams) each.refuse(error);
        else if (error.reason === "iat_out_of_range") stream.refuse(error);
      }
    } finally {
      peer.verifying = false;
    }
    if (this.#sessions.standing(key) === undefined) return;
    peer.doubtedAt = undefined;
    for (const each of peer.streams) each.poke();
  }

  #doubt(peer: Peer, now: number): void {
    peer.doubtedAt = now;
    this.#ask(peer, now);
  }

  #ask(peer: Peer, now: number): void {
    peer.askedAt = now;
    const [first] = peer.streams;
    first?.heartbeat(true);
  }

  #pursue(peer: Peer, now: number, withinMs: number): void {
    // The control plane has been asked and has its own time to answer.
    if (peer.verifying || peer.doubtedAt === undefined) return;
    if (now - peer.doubtedAt >= withinMs) {
      for (const stream of peer.streams) stream.refuse(unconfirmed(stream.what));
    } else if (now - peer.askedAt >= ASK_AGAIN_MS) {
      peer.askedAt = now;
      for (const stream of peer.streams) stream.heartbeat(true);
    }
  }
}

/** Whether a control message carries a proof. */
export function carriesProof(message: LinkMessage): boolean {
  return message.headers?.has(HEADERS.sessionKey) === true;
}

function unconfirmed(what: string): TransportError {
  return new TransportError("retry_later", {
    message: `Whether this session may still use ${what} could not be confirmed in time.`,
    hint: "Open it again.",
  });
}
