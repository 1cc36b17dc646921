import { randomBytes } from "node:crypto";
import nacl from "tweetnacl";
import { NkeyError, parsePublicText, parseSeedText, publicText, seedText } from "./nkey-text.ts";

/**
 * Curve25519 xkeys, with which nats-server encrypts auth callout: `xkv1`, a 24-byte nonce, a NaCl box.
 * Deriving the shared key costs about 0.5 ms and is the same for every message of one server process, so it is kept.
 */

export interface Xkey {
  readonly publicKey: string;
  readonly seed: string;
  /** Encrypts for the holder of `recipient`, a public xkey. */
  seal(data: Uint8Array, recipient: string): Uint8Array;
  /** `undefined` unless `sender`, a public xkey, encrypted exactly these bytes for us. */
  open(sealed: Uint8Array, sender: string): Uint8Array | undefined;
}

/** A new random xkey. */
export function createXkey(): Xkey {
  return xkeyOf(randomBytes(32));
}

/** The xkey a seed stands for; throws `NkeyError` when the text is not one. */
export function xkeyFromSeed(text: string): Xkey {
  const { kind, seed } = parseSeedText(text);
  if (kind !== "curve") throw new NkeyError(`this is the seed of a key for ${kind} signatures, not of an xkey`);
  return xkeyOf(Uint8Array.from(seed));
}

const VERSION = new TextEncoder().encode("xkv1");
const BODY = VERSION.length + nacl.box.nonceLength;
/** More servers than any cluster of ours has; keeps a stranger who sends many public keys from growing memory. */
const MAX_SHARED_KEYS = 256;

function xkeyOf(secret: Uint8Array): Xkey {
  const pair = nacl.box.keyPair.fromSecretKey(secret);
  const sharedKeys = new Map<string, Uint8Array>();

  function sharedWith(other: string): Uint8Array {
    const known = sharedKeys.get(other);
    if (known !== undefined) return known;
    const { kind, key } = parsePublicText(other);
    if (kind !== "curve") throw new NkeyError("not a public xkey");
    const shared = nacl.box.before(key, pair.secretKey);
    const oldest = sharedKeys.size >= MAX_SHARED_KEYS ? sharedKeys.keys().next().value : undefined;
    if (oldest !== undefined) sharedKeys.delete(oldest);
    sharedKeys.set(other, shared);
    return shared;
  }

  return {
    publicKey: publicText("curve", pair.publicKey),
    seed: seedText("curve", secret),
    seal(data, recipient) {
      const nonce = randomBytes(nacl.box.nonceLength);
      return Buffer.concat([VERSION, nonce, nacl.box.after(data, nonce, sharedWith(recipient))]);
    },
    open(sealed, sender) {
      if (sealed.length < BODY || VERSION.some((byte, at) => sealed[at] !== byte)) return undefined;
      try {
        const nonce = sealed.subarray(VERSION.length, BODY);
        return nacl.box.open.after(sealed.subarray(BODY), nonce, sharedWith(sender)) ?? undefined;
      } catch (error) {
        if (error instanceof NkeyError) return undefined;
        throw error;
      }
    },
  };
}
