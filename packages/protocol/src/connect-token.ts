import { canonicalJson } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { AuthReason } from "./error-codes.ts";
import { LIMITS } from "./limits.ts";
import { portableSha256 } from "./sha256.ts";
import type { Sha256 } from "./sha256.ts";
import { connectDigest, nonceDigest } from "./signed-digests.ts";
import { isDigest, isSeconds, isSessionKey, isSignature } from "./signed-text.ts";

/** What a participant gives NATS as `auth_token`: who it is, under which contract, proven for this one connection. */
export interface ConnectToken {
  readonly v: 1;
  readonly sessionKey: string;
  readonly contractDigest: string;
  /** Seconds, corrected to server time. */
  readonly iat: number;
  readonly sig: string;
  /** Over the nonce of the server, so that a captured token opens no second connection. */
  readonly nonceSig: string;
}

/** The two digests a session key signs to connect. */
export function connectTokenDigests(
  input: { readonly iat: number; readonly contractDigest: string; readonly nonce: string },
  sha256: Sha256 = portableSha256,
): { readonly sig: Uint8Array; readonly nonceSig: Uint8Array } {
  return { sig: connectDigest(input.iat, input.contractDigest, sha256), nonceSig: nonceDigest(input.nonce, sha256) };
}

/** The token as text: canonical JSON. */
export function encodeConnectToken(token: ConnectToken): string {
  const { v, sessionKey, contractDigest, iat, sig, nonceSig } = token;
  return canonicalJson({ v, sessionKey, contractDigest, iat, sig, nonceSig });
}

/** Why a token is refused: the reason for the peer, and what exactly is wrong for the log. */
export interface TokenRefusal {
  readonly reason: Extract<AuthReason, "missing_session_key" | "invalid_signature" | "iat_out_of_range">;
  readonly detail: string;
}

/** Reads a token; only the exact text `encodeConnectToken` writes is one. */
export function parseConnectToken(text: string): Result<ConnectToken, TokenRefusal> {
  if (text === "") return refuse("missing_session_key", "there is no token");
  if (text.length > LIMITS.connectTokenBytes) return refuse("invalid_signature", "the token is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("invalid_signature", "the token is not JSON");
  }
  if (!hasTokenMembers(value))
    return refuse("invalid_signature", "the token is not an object with the members of version 1");
  const { v, sessionKey, contractDigest, iat, sig, nonceSig } = value;
  if (v !== 1) return refuse("invalid_signature", "the token is not of version 1");
  if (!isSessionKey(sessionKey)) return refuse("invalid_signature", "sessionKey is not a key");
  if (!isDigest(contractDigest)) return refuse("invalid_signature", "contractDigest is not a digest");
  if (!isSeconds(iat)) return refuse("invalid_signature", "iat is not a time");
  if (!isSignature(sig) || !isSignature(nonceSig)) return refuse("invalid_signature", "a signature is not of its form");
  const token: ConnectToken = { v, sessionKey, contractDigest, iat, sig, nonceSig };
  if (encodeConnectToken(token) !== text) return refuse("invalid_signature", "the token is not canonical");
  return ok(token);
}

/** Checks one signature: base64url key, the digest signed, base64url signature. */
export type VerifySignature = (sessionKey: string, digest: Uint8Array, signature: string) => boolean | Promise<boolean>;

export interface ConnectTokenCheck {
  /** The nonce the server sent to this very connection. */
  readonly nonce: string;
  readonly nowSeconds: number;
  readonly verify: VerifySignature;
  readonly sha256?: Sha256;
}

/** Whether a token is fresh and both its signatures are of its key. What the key may do is another question. */
export async function verifyConnectToken(
  token: ConnectToken,
  check: ConnectTokenCheck,
): Promise<Result<ConnectToken, TokenRefusal>> {
  if (!isFresh(token.iat, check.nowSeconds)) return refuse("iat_out_of_range", "the token is not fresh");
  if (check.nonce === "") return refuse("invalid_signature", "the server sent no nonce");
  const digests = connectTokenDigests({ ...token, nonce: check.nonce }, check.sha256);
  if (!(await check.verify(token.sessionKey, digests.sig, token.sig)))
    return refuse("invalid_signature", "sig does not verify");
  if (!(await check.verify(token.sessionKey, digests.nonceSig, token.nonceSig))) {
    return refuse("invalid_signature", "nonceSig does not verify for the nonce of this connection");
  }
  return ok(token);
}

/** Whether a time of signing is within the freshness of now, either way. */
export function isFresh(iat: number, nowSeconds: number): boolean {
  return Math.abs(nowSeconds - iat) <= LIMITS.freshnessSeconds;
}

const MEMBERS = ["contractDigest", "iat", "nonceSig", "sessionKey", "sig", "v"] as const;

function hasTokenMembers(value: unknown): value is { readonly [M in (typeof MEMBERS)[number]]: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).length === MEMBERS.length &&
    MEMBERS.every((member) => Object.hasOwn(value, member))
  );
}

function refuse(reason: TokenRefusal["reason"], detail: string): Result<never, TokenRefusal> {
  return err({ reason, detail });
}
