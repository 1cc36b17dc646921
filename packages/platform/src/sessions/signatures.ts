import { createHash, createPublicKey, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Sha256, VerifySignature } from "@trellis/protocol";

/** Importing a key costs as much as a verification: this many are kept. */
const MAX_KEYS = 20_000;
/** DER in front of the 32 raw bytes of an Ed25519 public key (RFC 8410). */
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

/** Native SHA-256. */
export const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** Checks signatures of session keys with `node:crypto`; answers at once. */
export function createVerifier(maxKeys: number = MAX_KEYS): (...input: Parameters<VerifySignature>) => boolean {
  const keyOf = keyObjects(maxKeys);
  return (sessionKey, digest, signature) => {
    try {
      return verify(null, digest, keyOf(sessionKey), Buffer.from(signature, "base64url"));
    } catch {
      // Text that is not a key at all.
      return false;
    }
  };
}

function keyObjects(maxKeys: number): (sessionKey: string) => KeyObject {
  const keys = new Map<string, KeyObject>();
  return (sessionKey) => {
    const known = keys.get(sessionKey);
    if (known) return known;
    const der = Buffer.concat([SPKI_ED25519, Buffer.from(sessionKey, "base64url")]);
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    const oldest = keys.size >= maxKeys ? keys.keys().next().value : undefined;
    if (oldest !== undefined) keys.delete(oldest);
    keys.set(sessionKey, key);
    return key;
  };
}
