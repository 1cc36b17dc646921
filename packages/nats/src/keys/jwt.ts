import { createHash } from "node:crypto";
import { nkeyFromPublic, type Nkey, type NkeyPublic } from "./nkey.ts";
import { NkeyError } from "./nkey-text.ts";

/** NATS JWTs, version 2: signed by an nkey whose public text is the issuer. */

export interface Claims {
  readonly sub: string;
  readonly name?: string | undefined;
  readonly aud?: string | undefined;
  readonly exp?: number | undefined;
  readonly nats: { readonly type: string; readonly [member: string]: unknown };
}

export interface SignedClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud?: string;
  /** Seconds since 1970. */
  readonly iat?: number;
  readonly exp?: number;
  readonly name?: string;
  readonly nats: { readonly [member: string]: unknown };
}

export function encodeJwt(claims: Claims, signer: Nkey): string {
  const body = {
    iat: Math.floor(Date.now() / 1000),
    iss: signer.publicKey,
    ...claims,
    nats: { ...claims.nats, version: 2 },
  };
  const id = createHash("sha256").update(JSON.stringify(body)).digest("base64url");
  const signed = `${HEADER}.${Buffer.from(JSON.stringify({ ...body, jti: id })).toString("base64url")}`;
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString("base64url")}`;
}

/** The claims, once the signature of their issuer holds; whether that issuer may say so is for the caller to decide. */
export function decodeJwt(text: string): SignedClaims | undefined {
  const [header, body, signature, ...rest] = text.split(".");
  if (header === undefined || body === undefined || signature === undefined || rest.length > 0) return undefined;
  if (algorithmOf(header) !== ALGORITHM) return undefined;
  const claims = parse(body);
  if (!isSignedClaims(claims)) return undefined;
  const issuer = knownIssuer(claims.iss);
  const valid = issuer?.verify(Buffer.from(`${header}.${body}`), Buffer.from(signature, "base64url"));
  return valid === true ? claims : undefined;
}

export function isRecord(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const ALGORITHM = "ed25519-nkey";
const HEADER = Buffer.from(JSON.stringify({ typ: "JWT", alg: ALGORITHM })).toString("base64url");

/** Servers of a cluster send many JWTs each; their key objects are kept. Bounded, because issuers are unproven here. */
const issuers = new Map<string, NkeyPublic>();
const MAX_ISSUERS = 256;

function knownIssuer(publicKey: string): NkeyPublic | undefined {
  const known = issuers.get(publicKey);
  if (known !== undefined) return known;
  try {
    const issuer = nkeyFromPublic(publicKey);
    const oldest = issuers.size >= MAX_ISSUERS ? issuers.keys().next().value : undefined;
    if (oldest !== undefined) issuers.delete(oldest);
    issuers.set(publicKey, issuer);
    return issuer;
  } catch (error) {
    if (error instanceof NkeyError) return undefined;
    throw error;
  }
}

function algorithmOf(header: string): unknown {
  const value = parse(header);
  return isRecord(value) ? value.alg : undefined;
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

function isSignedClaims(value: unknown): value is SignedClaims {
  return (
    isRecord(value) &&
    typeof value.iss === "string" &&
    typeof value.sub === "string" &&
    isOptional(value.aud, "string") &&
    isOptional(value.iat, "number") &&
    isOptional(value.exp, "number") &&
    isOptional(value.name, "string") &&
    isRecord(value.nats)
  );
}

function isOptional(value: unknown, type: "string" | "number"): boolean {
  return value === undefined || typeof value === type;
}
