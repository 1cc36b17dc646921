import { AuthError, TransportError } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import type { RequestId } from "./request-id.ts";

/**
 * Remembers which requests were accepted, so that each is accepted once.
 * 1. An id is remembered at least until its time of signing is no longer fresh; after that freshness refuses it.
 * 2. Nothing is accepted whose record may have been dropped, or that may have been accepted before this process
 *    started: what was signed up to `#forgotten` is refused, whatever the clock does.
 * 3. Ids are bits in blocks of consecutive counters: a busy session costs a few bits per request, and every call
 *    does a bounded amount of work.
 */
export interface ReplayWindowOptions {
  /** When this process began to accept, by the clock that `now` of `accept` uses. */
  readonly startedAtMs: number;
  readonly freshnessSeconds?: number;
  readonly limits?: Partial<ReplayLimits>;
}

/** Bounds on what is remembered. */
export interface ReplayLimits {
  /** Sessions remembered at once; about 1 KB each at the least. */
  readonly sessions: number;
  /** Blocks of all sessions together; about 350 bytes each. */
  readonly blocks: number;
  /** Blocks of one session: 2 million dense ids in a window, and no more than this of scattered ones. */
  readonly blocksPerSession: number;
}

export const REPLAY_LIMITS: ReplayLimits = { sessions: 50_000, blocks: 200_000, blocksPerSession: 4_096 };

/** One request as far as replay is concerned. Its proof must have been verified before: only then do its parts count. */
export interface ReplayCandidate {
  readonly sessionKey: string;
  readonly id: RequestId;
  /** Seconds. */
  readonly iat: number;
}

export type ReplayVerdict =
  | "accepted"
  | "replayed"
  | "iat_out_of_range"
  /** It may have been answered before this process started, or its record is gone: only a new request is safe. */
  | "too_early"
  /** A bound is reached; which one is in the error of `replayError`. */
  | "sessions_full"
  | "blocks_full"
  | "session_full";

/** The error a verdict means for the caller. */
export function replayError(verdict: Exclude<ReplayVerdict, "accepted">): AuthError | TransportError {
  switch (verdict) {
    case "replayed":
      return new AuthError("replayed");
    case "iat_out_of_range":
      return new AuthError("iat_out_of_range");
    case "too_early":
      return new TransportError("retry_later", {
        message:
          "The request was signed before this replica started, so it cannot tell whether it was answered already.",
        hint: "Send it again as a new request.",
      });
    case "session_full":
      return new TransportError("overloaded", {
        message: "This session has sent more requests within a minute than are remembered for one session.",
        hint: "Send fewer requests from one session, with counters that follow each other.",
      });
    case "sessions_full":
    case "blocks_full":
      return new TransportError("overloaded", {
        message: "This replica remembers as many sessions and requests as it may.",
        hint: "Ask again after a pause, or run more replicas.",
      });
  }
}

/** 512 bits: the largest typed array V8 keeps inside its own heap, without a buffer of its own. */
const BLOCK_BITS = 512;
const WORD_BITS = 32;
/** Dropping is spread over the calls: each drops a few, so none waits for many. */
const DROPS_PER_CALL = 8;

interface Session {
  readonly key: string;
  /** By `<nonce>.<block number>`. */
  readonly blocks: Map<string, Block>;
}

interface Block {
  readonly session: Session;
  readonly key: string;
  readonly bits: Uint32Array;
  /** The newest time of signing in it. */
  lastIat: number;
}

export class ReplayWindow {
  readonly #freshness: number;
  readonly #limits: ReplayLimits;
  readonly #sessions = new Map<string, Session>();
  /** Blocks by the second after which nothing in them is fresh; a block that was used since moves on when it is due. */
  readonly #due = new Map<number, Block[]>();
  #blocks = 0;
  /** Seconds up to which `#due` was taken apart. */
  #sweptTo: number;
  #dropping: Block[] = [];
  #forgotten: number;

  constructor(options: ReplayWindowOptions) {
    this.#freshness = options.freshnessSeconds ?? LIMITS.freshnessSeconds;
    this.#limits = { ...REPLAY_LIMITS, ...options.limits };
    // A time of signing is in whole seconds. What was signed in the second of the start is taken: refusing it would make
    // every fresh replica fail its first calls, and a request of that second is a repetition only if another process
    // accepted it less than a second ago — which the other replicas, each with a window of its own, cannot tell either.
    this.#forgotten = Math.floor(options.startedAtMs / 1_000) - 1;
    this.#sweptTo = Math.floor(options.startedAtMs / 1_000);
  }

  /** What is remembered now. */
  get size(): { readonly sessions: number; readonly blocks: number } {
    return { sessions: this.#sessions.size, blocks: this.#blocks };
  }

  /** Accepts a request once. Checking and remembering are one step: nothing can come between them. */
  accept(candidate: ReplayCandidate, nowMs: number): ReplayVerdict {
    const { iat, id } = candidate;
    const now = Math.floor(nowMs / 1_000);
    if (Math.abs(now - iat) > this.#freshness) return "iat_out_of_range";
    this.#sweep(now);
    if (iat <= this.#forgotten) return "too_early";

    const session = this.#sessions.get(candidate.sessionKey);
    const key = `${id.nonce}.${Math.floor(id.counter / BLOCK_BITS)}`;
    const block = session?.blocks.get(key);
    const bit = id.counter % BLOCK_BITS;
    const word = Math.floor(bit / WORD_BITS);
    const mask = 1 << (bit % WORD_BITS);
    if (block !== undefined) {
      const bits = block.bits[word] ?? 0;
      if ((bits & mask) !== 0) return "replayed";
      block.bits[word] = bits | mask;
      if (iat > block.lastIat) block.lastIat = iat;
      return "accepted";
    }

    const full = this.#full(session);
    if (full !== undefined) return full;
    const fresh = this.#addBlock(session ?? this.#addSession(candidate.sessionKey), key, iat);
    fresh.bits[word] = mask;
    return "accepted";
  }

  #full(session: Session | undefined): ReplayVerdict | undefined {
    if (this.#blocks >= this.#limits.blocks) return "blocks_full";
    if (session === undefined) return this.#sessions.size >= this.#limits.sessions ? "sessions_full" : undefined;
    return session.blocks.size >= this.#limits.blocksPerSession ? "session_full" : undefined;
  }

  #addSession(key: string): Session {
    const session: Session = { key, blocks: new Map() };
    this.#sessions.set(key, session);
    return session;
  }

  #addBlock(session: Session, key: string, iat: number): Block {
    const block: Block = { session, key, bits: new Uint32Array(BLOCK_BITS / WORD_BITS), lastIat: iat };
    session.blocks.set(key, block);
    this.#blocks += 1;
    this.#schedule(block);
    return block;
  }

  #schedule(block: Block): void {
    const second = block.lastIat + this.#freshness + 1;
    const due = this.#due.get(second);
    if (due === undefined) this.#due.set(second, [block]);
    else due.push(block);
  }

  #sweep(now: number): void {
    if (now > this.#sweptTo) this.#takeDue(now);
    for (let count = 0; count < DROPS_PER_CALL; count += 1) {
      const block = this.#dropping.pop();
      if (block === undefined) return;
      if (block.lastIat + this.#freshness >= now) this.#schedule(block);
      else this.#drop(block);
    }
  }

  #takeDue(now: number): void {
    for (const [second, blocks] of this.#due) {
      if (second > now) continue;
      this.#due.delete(second);
      if (this.#dropping.length === 0) this.#dropping = blocks;
      else for (const block of blocks) this.#dropping.push(block);
    }
    this.#sweptTo = now;
  }

  #drop(block: Block): void {
    const { session } = block;
    session.blocks.delete(block.key);
    this.#blocks -= 1;
    if (session.blocks.size === 0) this.#sessions.delete(session.key);
    if (block.lastIat > this.#forgotten) this.#forgotten = block.lastIat;
  }
}
