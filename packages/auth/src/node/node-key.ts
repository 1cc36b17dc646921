/// <reference types="node" />
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { checkSeed, newSeed } from "../session-key.ts";
import type { SessionKey } from "../session-key.ts";

/** PKCS #8 of an Ed25519 private key up to its 32 bytes of seed. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key of a seed with native signing (about 22 µs). */
export function nodeSessionKey(seed: Uint8Array): SessionKey {
  checkSeed(seed);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (x === undefined)
    throw new Error("An Ed25519 key without a public part: the cryptography of this Node is broken.");
  return { publicKey: x, sign: (digest) => sign(null, digest, key) };
}

/** A key that lives as long as this process. */
export function createNodeSessionKey(): SessionKey {
  return nodeSessionKey(newSeed());
}
