import { getPublicKey, hashes, sign, verify } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { decodeBase64url, encodeBase64url } from "@trellis/contracts";
import { portableSha256 } from "@trellis/protocol";
import type { Sha256, VerifySignature } from "@trellis/protocol";

/** An Ed25519 key that proves who speaks. The private half never leaves it. */
export interface SessionKey {
  /** Base64url of the 32-byte public key: how everybody names this session. */
  readonly publicKey: string;
  /** Signs a digest; 64 bytes. Synchronous: NATS asks for the signature of its nonce between two bytes. */
  sign(digest: Uint8Array): Uint8Array;
}

/** The cryptography a runtime brings: portable here, native in `@trellis/auth/node`. */
export interface AuthCrypto {
  readonly sha256: Sha256;
  /** Whether the signature of the digest is of this key; anything malformed is not. */
  readonly verify: VerifySignature;
}

/** Bytes of the seed of a key. */
export const SEED_BYTES = 32;

// @noble/ed25519 is synchronous only with a SHA-512 given to it.
hashes.sha512 = sha512;

/** A fresh seed from the system's cryptographic generator. */
export function newSeed(): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(SEED_BYTES));
}

/** The key of a seed, in any runtime. Where there is `node:crypto`, `@trellis/auth/node` signs twenty times faster. */
export function sessionKeyFromSeed(seed: Uint8Array): SessionKey {
  checkSeed(seed);
  const own = seed.slice();
  const publicKey = encodeBase64url(getPublicKey(own));
  return { publicKey, sign: (digest) => sign(digest, own) };
}

/** A key that lives as long as this process. */
export function createSessionKey(): SessionKey {
  return sessionKeyFromSeed(newSeed());
}

/** Works in every runtime; slower than a native one. */
export const portableCrypto: AuthCrypto = {
  sha256: portableSha256,
  verify(publicKey, digest, signature) {
    const key = decodeBase64url(publicKey);
    const bytes = decodeBase64url(signature);
    if (key?.length !== 32 || bytes?.length !== 64) return false;
    try {
      return verify(bytes, digest, key);
    } catch {
      return false;
    }
  },
};

/** Throws when these are not the bytes of a seed. */
export function checkSeed(seed: Uint8Array): void {
  if (seed.length !== SEED_BYTES) throw new TypeError(`A seed has ${SEED_BYTES} bytes; this one has ${seed.length}.`);
}
