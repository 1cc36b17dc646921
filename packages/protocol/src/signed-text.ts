/** The text forms of what is signed with, compared and signed: base64url of a fixed length, in its only spelling. */

const BYTES_32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const BYTES_64 = /^[A-Za-z0-9_-]{85}[AQgw]$/;

/** A session key on the wire: base64url of the 32 bytes of an Ed25519 public key. */
export function isSessionKey(text: unknown): text is string {
  return typeof text === "string" && BYTES_32.test(text);
}

/** Base64url of 32 bytes: a contract digest or a payload hash. */
export function isDigest(text: unknown): text is string {
  return typeof text === "string" && BYTES_32.test(text);
}

/** Base64url of the 64 bytes of an Ed25519 signature. */
export function isSignature(text: unknown): text is string {
  return typeof text === "string" && BYTES_64.test(text);
}

/** Seconds since 1970 as they may stand in a signed text: a whole, non-negative, exact number. */
export function isSeconds(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
