import { AUTH_CHANGES, isAuthReason } from "@trellis/protocol";
import type { AuthChange, AuthReason } from "@trellis/protocol";
import type { Caller, RequestAuthority, ValidateAnswer } from "./authority.ts";
import { concerns } from "./authority-changes.ts";
import type { Affected, AuthorityChanges } from "./authority-changes.ts";
import type { SignedRequest } from "./signed-request.ts";
import type { ServiceLimits } from "./limits.ts";

/** What every request of one session is checked against. */
export interface KnownSession {
  readonly caller: Caller;
  readonly inboxPrefix: string;
  readonly capabilities: ReadonlySet<string>;
}

/** What the directory says about the sender of a request. */
export type Verdict =
  | { readonly kind: "known"; readonly session: KnownSession }
  | { readonly kind: "refused"; readonly reason: AuthReason }
  /** The control plane cannot be asked and nothing recent enough is known: the caller should try again. */
  | { readonly kind: "unavailable" };

interface Entry extends KnownSession {
  readonly revision: number;
  readonly checkedAt: number;
  readonly leaseMs: number;
  /** Something may have changed that was not heard: ask before the next use. */
  doubtful: boolean;
}

/** Reasons that are about one request and say nothing about others of the same session. */
const REASONS_OF_ONE_REQUEST: ReadonlySet<AuthReason> = new Set([
  "invalid_signature",
  "replayed",
  "iat_out_of_range",
  "reply_subject_mismatch",
  "insufficient_permissions",
]);
/** While the control plane does not answer, it is asked again this often. */
const ASK_AGAIN_MS = 1_000;
/** A request whose sender is not known waits no longer than this for an authority that failed to answer before it. */
const WAIT_FOR_FAILING_MS = 300;
/** From here on the next request refreshes the entry in the background, so that busy sessions never wait. */
const REFRESH_AT = 0.8;

const UNAVAILABLE: Verdict = { kind: "unavailable" };

/**
 * The public facts about sessions, asked from the authority once and kept for a lease.
 *
 * 1. A request is only looked up here after its signature was verified, so forged ones never cause a question.
 * 2. There is at most one open question about a session; others wait for its answer.
 * 3. An answer older than a change that concerns its session is not believed, however late it comes.
 * 4. While the authority cannot be reached, sessions known before go on until the hard lease ends, except those a
 *    change has named: they are gone from here.
 * 5. Others are told so soon, while their callers still wait: an authority that hangs must not look like a service
 *    that does.
 */
export class SessionDirectory {
  readonly #authority: RequestAuthority;
  readonly #changes: AuthorityChanges;
  readonly #limits: ServiceLimits;
  readonly #followsChanges: boolean;
  readonly #entries = new Map<string, Entry>();
  readonly #questions = new Map<string, Promise<Verdict>>();
  #failing = false;
  #askAgainAt = 0;
  #generation = 0;
  #asked = 0;

  constructor(options: {
    readonly authority: RequestAuthority;
    readonly changes: AuthorityChanges;
    readonly limits: ServiceLimits;
    /** Without notices only the lease of an answer limits its use. */
    readonly followsChanges: boolean;
  }) {
    this.#authority = options.authority;
    this.#changes = options.changes;
    this.#limits = options.limits;
    this.#followsChanges = options.followsChanges;
  }

  /** Questions put to the authority so far. */
  get asked(): number {
    return this.#asked;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is known about the sender of a verified request; answers at once when it can. */
  lookup(request: SignedRequest): Verdict | Promise<Verdict> {
    const entry = this.#entries.get(request.sessionKey);
    if (entry === undefined) return this.#ask(request, undefined);
    const now = performance.now();
    const age = now - entry.checkedAt;
    if (!entry.doubtful && age < entry.leaseMs && this.#heardSince(entry, now)) {
      this.#touch(request.sessionKey, entry);
      if (age > entry.leaseMs * REFRESH_AT && !this.#failing) void this.#ask(request, entry);
      return { kind: "known", session: entry };
    }
    if (!this.#failing || now - entry.checkedAt >= this.#limits.hardLeaseMs) return this.#ask(request, entry);
    // The authority did not answer the last question: work goes on while one request in a while asks again.
    if (now >= this.#askAgainAt) {
      this.#askAgainAt = now + ASK_AGAIN_MS;
      void this.#ask(request, entry);
    }
    return { kind: "known", session: entry };
  }

  /** What may be relied on at this instant without asking anybody; `undefined` when the session must prove itself first. */
  standing(sessionKey: string): KnownSession | undefined {
    const entry = this.#entries.get(sessionKey);
    if (entry === undefined) return undefined;
    const now = performance.now();
    const age = now - entry.checkedAt;
    if (!entry.doubtful && age < entry.leaseMs && this.#heardSince(entry, now)) return entry;
    return this.#failing && age < this.#limits.hardLeaseMs ? entry : undefined;
  }

  /** Whether a session should prove itself soon, before what is known about it is too old. */
  isAgeing(sessionKey: string): boolean {
    const entry = this.#entries.get(sessionKey);
    return entry === undefined || performance.now() - entry.checkedAt > entry.leaseMs * REFRESH_AT;
  }

  /** Drops the entries a notice names. */
  drop(notice: AuthChange): void {
    if (notice.kind === "beat") return;
    if (notice.principals === undefined && notice.deployments === undefined && notice.sessions !== undefined) {
      for (const key of notice.sessions) this.#dropOlder(key, notice.revision);
      return;
    }
    for (const [key, entry] of this.#entries) {
      if (concerns(notice, factsOf(key, entry))) this.#dropOlder(key, notice.revision);
    }
  }

  /** Something was said that could not be understood: every entry is asked about before its next use. */
  doubtAll(): void {
    for (const entry of this.#entries.values()) entry.doubtful = true;
  }

  /** A notice was missed: what is older than it is asked about before its next use. */
  doubtOlder(): void {
    for (const entry of this.#entries.values()) {
      if (this.#changes.doubts(entry.revision)) entry.doubtful = true;
    }
  }

  /** The connection was lost, or the registry is another one: forget everything, open questions included. */
  forgetAll(): void {
    this.#generation += 1;
    this.#entries.clear();
    this.#failing = false;
  }

  #dropOlder(key: string, revision: number): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.revision < revision) this.#entries.delete(key);
  }

  #heardSince(entry: Entry, now: number): boolean {
    return !this.#followsChanges || now - Math.max(this.#changes.heardAt, entry.checkedAt) < AUTH_CHANGES.silenceMs;
  }

  #touch(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  #withoutAuthority(entry: Entry | undefined, now: number): Verdict {
    if (entry === undefined || now - entry.checkedAt >= this.#limits.hardLeaseMs) return UNAVAILABLE;
    return { kind: "known", session: entry };
  }

  #ask(request: SignedRequest, known: Entry | undefined): Promise<Verdict> | Verdict {
    const question = this.#questionAbout(request, known);
    if (!this.#failing || !(question instanceof Promise)) return question;
    return Promise.race([question, after(WAIT_FOR_FAILING_MS, () => this.#withoutAuthority(known, performance.now()))]);
  }

  #questionAbout(request: SignedRequest, known: Entry | undefined): Promise<Verdict> | Verdict {
    const open = this.#questions.get(request.sessionKey);
    if (open !== undefined) return this.#follow(open, request, known);
    if (this.#questions.size >= this.#limits.maxValidations) return this.#withoutAuthority(known, performance.now());
    const question = this.#question(request).finally(() => {
      if (this.#questions.get(request.sessionKey) === question) this.#questions.delete(request.sessionKey);
    });
    this.#questions.set(request.sessionKey, question);
    return question;
  }

  async #follow(open: Promise<Verdict>, request: SignedRequest, known: Entry | undefined): Promise<Verdict> {
    const verdict = await open;
    if (verdict.kind === "refused" && REASONS_OF_ONE_REQUEST.has(verdict.reason)) return this.#ask(request, known);
    return verdict;
  }

  async #question(request: SignedRequest): Promise<Verdict> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const generation = this.#generation;
      let answer: ValidateAnswer;
      try {
        this.#asked += 1;
        answer = await this.#authority.validate(request.toValidateRequest());
      } catch {
        const now = performance.now();
        this.#failing = true;
        this.#askAgainAt = now + ASK_AGAIN_MS;
        return this.#withoutAuthority(this.#entries.get(request.sessionKey), now);
      }
      this.#failing = false;
      if (generation !== this.#generation) continue;
      const verdict = this.#take(request.sessionKey, answer);
      if (verdict !== undefined) return verdict;
    }
    return UNAVAILABLE;
  }

  /** Keeps what an answer says; `undefined` when it is too old to be believed. */
  #take(sessionKey: string, answer: ValidateAnswer): Verdict | undefined {
    const { caller, inboxPrefix } = answer;
    const affected = { sessionKey, principal: caller?.id, deployment: caller?.deployment, revision: answer.revision };
    if (answer.leaseMs > 0 && this.#changes.outdated(affected)) return undefined;
    if (!answer.allowed || caller === undefined || inboxPrefix === undefined) {
      const reason = isAuthReason(answer.reason) ? answer.reason : "session_not_found";
      if (!REASONS_OF_ONE_REQUEST.has(reason)) this.#entries.delete(sessionKey);
      return { kind: "refused", reason };
    }
    const known = this.#entries.get(sessionKey);
    if (known !== undefined && known.revision > answer.revision) return { kind: "known", session: known };
    const entry: Entry = {
      caller,
      inboxPrefix,
      capabilities: new Set(answer.capabilities ?? []),
      revision: answer.revision,
      checkedAt: performance.now(),
      leaseMs: answer.leaseMs,
      doubtful: false,
    };
    if (answer.leaseMs > 0) {
      this.#touch(sessionKey, entry);
      this.#trim();
    }
    return { kind: "known", session: entry };
  }

  #trim(): void {
    if (this.#entries.size <= this.#limits.maxSessions) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }
}

function after<T>(ms: number, answer: () => T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(answer()), ms));
}

function factsOf(sessionKey: string, entry: Entry): Affected {
  return {
    sessionKey,
    principal: entry.caller.id,
    deployment: entry.caller.deployment,
    revision: entry.revision,
  };
}
