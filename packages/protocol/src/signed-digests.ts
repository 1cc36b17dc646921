import { canonicalJson } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { portableSha256 } from "./sha256.ts";
import type { Sha256 } from "./sha256.ts";

/**
 * What each signature outside a request is over. Every text begins with its purpose, so a signature made for one
 * can never stand for another. A digest is what the Ed25519 key signs.
 */
const encoder = new TextEncoder();

function digestOf(text: string, sha256: Sha256): Uint8Array {
  return sha256(encoder.encode(text));
}

/** `sig` of a connect token. */
export function connectDigest(iat: number, contractDigest: string, sha256: Sha256 = portableSha256): Uint8Array {
  return digestOf(`nats-connect:${iat}:${contractDigest}`, sha256);
}

/** `nonceSig` of a connect token: binds it to the one connection whose server sent this nonce. */
export function nonceDigest(nonce: string, sha256: Sha256 = portableSha256): Uint8Array {
  return digestOf(`nats-nonce:${nonce}`, sha256);
}

/** `sig` of a bootstrap request. */
export function bootstrapDigest(iat: number, contractDigest: string, sha256: Sha256 = portableSha256): Uint8Array {
  return digestOf(`bootstrap:${iat}:${contractDigest}`, sha256);
}

/** `enrol.sig` of a bootstrap request: a user key vouches for a session key that lives for one run. */
export function enrolDigest(
  sessionKey: string,
  contractDigest: string,
  iat: number,
  sha256: Sha256 = portableSha256,
): Uint8Array {
  return digestOf(`enrol-session:${sessionKey}:${contractDigest}:${iat}`, sha256);
}

/** Signed by a session key to take a finished login as its own. */
export function bindFlowDigest(flowId: string, sha256: Sha256 = portableSha256): Uint8Array {
  return digestOf(`bind-flow:${flowId}`, sha256);
}

export interface OauthInit {
  readonly redirectTo: string;
  readonly provider?: string;
  readonly contract: Json;
  readonly context?: Json;
}

/** Signed by a session key to start a login. Throws `CanonicalError` when a part is not JSON. */
export function oauthInitDigest(init: OauthInit, sha256: Sha256 = portableSha256): Uint8Array {
  const contract = canonicalJson(init.contract);
  const context = canonicalJson(init.context ?? null);
  return digestOf(`oauth-init:${init.redirectTo}:${init.provider ?? ""}:${contract}:${context}`, sha256);
}
