/// <reference types="node" />
import { createPublicKey, hash, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { AuthCrypto } from "../session-key.ts";

/**
 * Imported public keys are kept: importing one costs as much as verifying with it. 10 000 of them are about 20 MB,
 * more callers than one process serves between two looks at the same caller.
 */
export const CACHED_PUBLIC_KEYS = 10_000;

/** Most recently used last. */
const publicKeys = new Map<string, KeyObject>();

/** SHA-256 by OpenSSL. */
export function nodeSha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** Verifies in the thread pool: the event loop goes on meanwhile, and both cores work. */
export function verifySignature(publicKey: string, digest: Uint8Array, signature: string): Promise<boolean> {
  const key = importKey(publicKey);
  const bytes = Buffer.from(signature, "base64url");
  if (key === undefined || bytes.length !== 64) return Promise.resolve(false);
  return new Promise((resolve) => {
    verify(null, digest, key, bytes, (error, valid) => resolve(error === null && valid));
  });
}

/** Verifies on the spot: for single checks, where a turn of the event loop costs more than it frees. */
export function verifySignatureSync(publicKey: string, digest: Uint8Array, signature: string): boolean {
  const key = importKey(publicKey);
  const bytes = Buffer.from(signature, "base64url");
  return key !== undefined && bytes.length === 64 && verify(null, digest, key, bytes);
}

/** Native cryptography for runtimes on Node. */
export const nodeCrypto: AuthCrypto = { sha256: nodeSha256, verify: verifySignature };

function importKey(publicKey: string): KeyObject | undefined {
  const known = publicKeys.get(publicKey);
  if (known !== undefined) {
    publicKeys.delete(publicKey);
    publicKeys.set(publicKey, known);
    return known;
  }
  // 43 characters of base64url are 32 bytes; a longer text would be a way to fill memory.
  if (publicKey.length !== 43) return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
  } catch {
    return undefined;
  }
  if (publicKeys.size >= CACHED_PUBLIC_KEYS) {
    for (const oldest of publicKeys.keys()) {
      publicKeys.delete(oldest);
      break;
    }
  }
  publicKeys.set(publicKey, key);
  return key;
}
