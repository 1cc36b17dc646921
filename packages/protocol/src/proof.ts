import { portableSha256 } from "./sha256.ts";
import type { Sha256 } from "./sha256.ts";

/** What a request proof covers: who asks, what, with which bytes, when, and which request it is. */
export interface ProofInput {
  readonly sessionKey: string;
  readonly subject: string;
  /** SHA-256 of the exact payload bytes; the payload itself may be given instead. */
  readonly payload: Uint8Array | { readonly hash: Uint8Array };
  readonly iat: number;
  readonly requestId: string;
}

const encoder = new TextEncoder();
/** One buffer for every proof: the work is synchronous, and the bytes are public. It grows to the longest request. */
let scratch = new Uint8Array(1_024);
let view = new DataView(scratch.buffer);

/** The exact bytes a proof is about: five parts, each preceded by its length as unsigned 32-bit big-endian. */
export function proofInputBytes(input: ProofInput, sha256: Sha256 = portableSha256): Uint8Array {
  return write(input, sha256).slice();
}

/** What the session key signs: SHA-256 of the proof input. */
export function proofDigest(input: ProofInput, sha256: Sha256 = portableSha256): Uint8Array {
  return sha256(write(input, sha256));
}

function write(input: ProofInput, sha256: Sha256): Uint8Array {
  const { payload } = input;
  const hash = payload instanceof Uint8Array ? sha256(payload) : payload.hash;
  const iat = String(input.iat);
  // A UTF-16 code unit becomes at most three bytes of UTF-8.
  reserve(
    5 * 4 + hash.length + 3 * (input.sessionKey.length + input.subject.length + iat.length + input.requestId.length),
  );
  let at = writeText(0, input.sessionKey);
  at = writeText(at, input.subject);
  view.setUint32(at, hash.length);
  scratch.set(hash, at + 4);
  at = writeText(at + 4 + hash.length, iat);
  at = writeText(at, input.requestId);
  return scratch.subarray(0, at);
}

function writeText(at: number, text: string): number {
  const { written } = encoder.encodeInto(text, scratch.subarray(at + 4));
  view.setUint32(at, written);
  return at + 4 + written;
}

function reserve(bytes: number): void {
  if (bytes <= scratch.length) return;
  scratch = new Uint8Array(bytes * 2);
  view = new DataView(scratch.buffer);
}
