import type { AuthCrypto } from "@trellis/auth";
import { AuthError, isAuthReason, proofDigest, ReplayWindow, replayError, TransportError } from "@trellis/protocol";
import type { RequestAuthority } from "./authority.ts";
import type { ServiceLimits } from "./limits.ts";
import type { KnownSession, SessionDirectory, Verdict } from "./session-directory.ts";
import type { SignedRequest } from "./signed-request.ts";

/** The platform's time: the local clock corrected by what bootstrap learned. */
export interface PlatformClock {
  nowMs(): number;
}

export type Checked =
  | { readonly kind: "passed"; readonly session: KnownSession }
  /** The caller is who the session key says, and may be told why not. */
  | { readonly kind: "refused"; readonly error: AuthError | TransportError }
  /** Whoever sent this does not hold the session key: nobody is told anything. */
  | { readonly kind: "forged" };

const FORGED: Checked = { kind: "forged" };

/**
 * Decides whether a request is what it claims to be. The order matters:
 * 1. the signature first, because before it nothing may be answered, remembered or asked;
 * 2. then freshness and replay, which belong to this request alone;
 * 3. then the session, which may have to be asked from the control plane;
 * 4. then the capabilities the surface requires;
 * 5. last, where the contract says `once`, the claim that no other replica accepts the same request: what is refused
 *    before it must not use it up.
 */
export class RequestCheck {
  readonly #crypto: AuthCrypto;
  readonly #clock: PlatformClock;
  readonly #sessions: SessionDirectory;
  readonly #authority: RequestAuthority;
  readonly #replay: ReplayWindow;

  constructor(options: {
    readonly crypto: AuthCrypto;
    readonly clock: PlatformClock;
    readonly sessions: SessionDirectory;
    readonly authority: RequestAuthority;
    readonly limits: ServiceLimits;
  }) {
    this.#crypto = options.crypto;
    this.#clock = options.clock;
    this.#sessions = options.sessions;
    this.#authority = options.authority;
    this.#replay = new ReplayWindow({
      // What was signed before this process began may have been answered by the one before it.
      startedAtMs: this.#clock.nowMs() - performance.now(),
      freshnessSeconds: Math.ceil(options.limits.freshnessMs / 1_000),
    });
  }

  async check(
    request: SignedRequest,
    surface: { readonly required: readonly string[]; readonly once: boolean },
  ): Promise<Checked> {
    const { headers } = request;
    request.payloadHash = this.#crypto.sha256(request.payload);
    const digest = proofDigest(
      {
        sessionKey: headers.sessionKey,
        subject: request.subject,
        payload: { hash: request.payloadHash },
        iat: headers.iat,
        requestId: headers.requestId,
      },
      this.#crypto.sha256,
    );
    if (!(await this.#crypto.verify(headers.sessionKey, digest, headers.proof))) return FORGED;

    const replay = this.#replay.accept(headers, this.#clock.nowMs());
    if (replay !== "accepted") return { kind: "refused", error: replayError(replay) };

    const found = this.#sessions.lookup(request);
    const checked = judge(found instanceof Promise ? await found : found, surface.required);
    return surface.once && checked.kind === "passed" ? this.#claim(request, checked) : checked;
  }

  /** Whether the claim is ours; a claim nobody can store now is no permission to go on. */
  async #claim(request: SignedRequest, checked: Checked): Promise<Checked> {
    try {
      const answer = await this.#authority.validate({ ...request.toValidateRequest(), once: true });
      if (answer.allowed) return checked;
      const reason = isAuthReason(answer.reason) ? answer.reason : "replayed";
      return { kind: "refused", error: new AuthError(reason) };
    } catch {
      return {
        kind: "refused",
        error: new TransportError("retry_later", {
          message: "This request is accepted once only, and the control plane cannot record that now.",
        }),
      };
    }
  }
}

function judge(verdict: Verdict, required: readonly string[]): Checked {
  switch (verdict.kind) {
    case "refused":
      return { kind: "refused", error: new AuthError(verdict.reason) };
    case "unavailable":
      return {
        kind: "refused",
        error: new TransportError("retry_later", {
          message: "The control plane cannot be asked about this session now, and nothing recent is known about it.",
        }),
      };
    case "known": {
      const missing = required.find((capability) => !verdict.session.capabilities.has(capability));
      if (missing === undefined) return { kind: "passed", session: verdict.session };
      return {
        kind: "refused",
        error: new AuthError("insufficient_permissions", { message: `This needs the capability ${missing}.` }),
      };
    }
  }
}
