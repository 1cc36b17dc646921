import { createPrivateKey, createPublicKey, randomBytes, sign, verify, type KeyObject } from "node:crypto";
import { NkeyError, parsePublicText, parseSeedText, publicText, seedText, type NkeyKind } from "./nkey-text.ts";

/**
 * Ed25519 nkeys on `node:crypto`. The key objects are made once per key and kept: importing them for every signature
 * halves the speed, and the usual JavaScript implementation is a hundred times slower.
 */

/** What an nkey that signs is for. */
export type SigningKind = Exclude<NkeyKind, "curve">;

/** The public half: checks signatures. */
export interface NkeyPublic {
  readonly kind: SigningKind;
  readonly publicKey: string;
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** Both halves. The seed is a secret: keep it in a file with mode 0600. */
export interface Nkey extends NkeyPublic {
  readonly seed: string;
  sign(data: Uint8Array): Uint8Array;
}

/** A new random key. */
export function createNkey(kind: SigningKind): Nkey {
  return nkeyOf(kind, randomBytes(32));
}

/** The key a seed stands for; throws `NkeyError` when the text is not a seed of a signing key. */
export function nkeyFromSeed(text: string): Nkey {
  const { kind, seed } = parseSeedText(text);
  if (kind === "curve") throw new NkeyError("this is the seed of an xkey, which encrypts and cannot sign");
  return nkeyOf(kind, seed);
}

/** Somebody else's key, to check their signatures; throws `NkeyError` when the text is not one. */
export function nkeyFromPublic(text: string): NkeyPublic {
  const { kind, key } = parsePublicText(text);
  if (kind === "curve") throw new NkeyError("this is a public xkey, which encrypts and cannot check signatures");
  return publicOf(
    kind,
    text,
    createPublicKey({ key: Buffer.concat([SPKI_ED25519, key]), format: "der", type: "spki" }),
  );
}

/** DER in front of the 32 raw bytes of an Ed25519 key (RFC 8410). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function nkeyOf(kind: SigningKind, seed: Uint8Array): Nkey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(privateKey);
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_ED25519.length);
  return {
    ...publicOf(kind, publicText(kind, raw), publicKey),
    seed: seedText(kind, seed),
    sign: (data) => sign(null, data, privateKey),
  };
}

function publicOf(kind: SigningKind, publicKey: string, key: KeyObject): NkeyPublic {
  return { kind, publicKey, verify: (data, signature) => verify(null, data, key, signature) };
}
