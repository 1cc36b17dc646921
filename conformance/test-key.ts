import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { encodeBase64url } from "@trellis/contracts";
import { fromHex } from "./input.ts";

/** PKCS #8 of an Ed25519 key, up to its 32-byte seed. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A key whose seed everybody knows: Ed25519 signatures are deterministic, so vectors can hold them. */
export interface TestKey {
  readonly sessionKey: string;
  /** Base64url of the signature of these bytes. */
  sign(bytes: Uint8Array): string;
}

export function testKey(seedHex: string): TestKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, fromHex(seedHex)]), format: "der", type: "pkcs8" });
  const sessionKey = createPublicKey(key).export({ format: "jwk" }).x;
  if (sessionKey === undefined) throw new Error("the key has no public part");
  return { sessionKey, sign: (bytes) => encodeBase64url(sign(null, bytes, key)) };
}

/** The seeds of the vectors: bytes 00..1f, and 32 times ff. */
export const SEED = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
export const OTHER_SEED = "ff".repeat(32);
