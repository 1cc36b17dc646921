import { decodeBase64url } from "@trellis/contracts";
import {
  inboxPrefix,
  isDigest,
  isSeconds,
  isSessionKey,
  isSignature,
  parseRequestId,
  proofDigest,
  replayError,
} from "@trellis/protocol";
import type { AuthReason, ReplayWindow } from "@trellis/protocol";
import type { ValidateAnswer, ValidateRequest } from "@trellis/server/internal";
import type { ControlContext } from "../authority/context.ts";
import { agentGrants, serviceGrants, stageOf } from "../authority/grants.ts";
import type { Grants } from "../authority/grants.ts";
import type { RequestClaims } from "./claims.ts";
import { authReason } from "./denial-reason.ts";
import type { SessionStore } from "./session-store.ts";
import { sha256 } from "./signatures.ts";

/** The input of `Auth.Requests.Validate`. */
export type ValidateInput = ValidateRequest;

/** Its answer: facts about the sender that may be reused for the lease. */
export interface ValidateOutput extends ValidateAnswer {
  readonly reason?: AuthReason;
}

export interface ValidatorOptions {
  readonly context: ControlContext;
  readonly sessions: SessionStore;
  /** Of this replica, one for everything it answers. */
  readonly replay: ReplayWindow;
  readonly claims: RequestClaims;
  readonly verify: (sessionKey: string, digest: Uint8Array, signature: string) => boolean;
  /** Contract a service is connected with now; its last materialized one when nobody knows. */
  readonly digestOf: (sessionKey: string) => string | undefined;
  readonly leaseMs: number;
  /** A view older than this answers nobody. */
  readonly staleMs: () => number;
}

const MAX_STALE_MS = 30_000;
/** Who asked about which request, so that the same service may ask about it twice. */
const REMEMBERED_QUESTIONS = 20_000;

/**
 * Judges one signed request, whole. A service asks once per session and reuses the facts. Asking again about the same
 * request is no replay when the same service asks: it lost the answer, or the answer was too old to be believed. It
 * throws (retry) when it cannot tell, which is not a refusal.
 */
export function createRequestValidator(
  options: ValidatorOptions,
): (input: ValidateInput, asker?: string) => Promise<ValidateOutput> {
  const { context, sessions, replay, claims, verify, digestOf, leaseMs, staleMs } = options;
  const askers = new Map<string, string>();

  return async (input, asker) => {
    if (staleMs() > MAX_STALE_MS) throw replayError("too_early");
    const revision = context.registry.revision;
    const refuse = (reason: AuthReason): ValidateOutput => ({ allowed: false, reason, revision, leaseMs: 0 });

    const { sessionKey, subject, proof, iat, requestId } = input;
    const hash = decodeBase64url(input.payloadHash);
    const id = parseRequestId(requestId);
    if (!isSessionKey(sessionKey)) return refuse("missing_session_key");
    if (!isDigest(input.payloadHash) || !hash || !isSignature(proof) || !isSeconds(iat) || !id)
      return refuse("invalid_signature");
    if (!verify(sessionKey, proofDigest({ sessionKey, subject, payload: { hash }, iat, requestId }, sha256), proof))
      return refuse("invalid_signature");

    const question = `${sessionKey} ${requestId}`;
    const verdict = replay.accept({ sessionKey, id, iat }, context.now());
    if (verdict === "accepted") {
      if (asker !== undefined) {
        askers.set(question, asker);
        const oldest = askers.size > REMEMBERED_QUESTIONS ? askers.keys().next().value : undefined;
        if (oldest !== undefined) askers.delete(oldest);
      }
    } else if (verdict === "replayed") {
      // Of one that is claimed below the claim decides: each replica may have heard of it from somebody else first.
      if (input.once !== true && (asker === undefined || askers.get(question) !== asker)) return refuse("replayed");
    } else if (verdict === "iat_out_of_range") return refuse(verdict);
    else throw replayError(verdict);

    const grants = await grantsOf(sessionKey);
    if (typeof grants === "string") return refuse(grants);
    for (const capability of input.capabilities ?? [])
      if (!grants.capabilities.has(capability)) return refuse("insufficient_permissions");
    // Last: what is refused for another reason must not use the request up.
    if (input.once === true && !(await claims.claim(sessionKey, requestId))) return refuse("replayed");
    const { principal, contractId, deployment } = grants;
    return {
      allowed: true,
      inboxPrefix: inboxPrefix(sessionKey),
      caller: { ...principal, sessionKey, contractId, ...(deployment === undefined ? {} : { deployment }) },
      capabilities: [...grants.capabilities].sort(),
      // What it was made from, not what has been read since: a later change must be able to overrule it.
      revision: grants.revision,
      leaseMs,
    };
  };

  async function grantsOf(sessionKey: string): Promise<Grants | AuthReason> {
    const instance = context.tables.instances.get(sessionKey)?.value;
    if (instance) {
      const digest =
        digestOf(sessionKey) ?? context.tables.authorities.get(instance.deployment)?.value.materialized?.digest;
      if (digest === undefined) return "approval_required";
      const grants = serviceGrants(context, sessionKey, digest, stageOf(context, sessionKey, digest));
      return grants.ok ? grants.value : authReason(grants.error);
    }
    const session = await sessions.get(sessionKey);
    if (!session) return "session_not_found";
    const { contractDigest } = session;
    const grants = agentGrants(context, session, contractDigest, stageOf(context, sessionKey, contractDigest));
    if (!grants.ok) return authReason(grants.error);
    sessions.touch(session);
    return grants.value;
  }
}
