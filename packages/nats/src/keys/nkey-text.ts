import { decodeBase32, encodeBase32 } from "./base32.ts";

/**
 * The text form of nkeys. Public: prefix byte, 32 key bytes, CRC. Seed: two bytes that hold "S" and the prefix,
 * 32 seed bytes, CRC. The CRC (CRC-16/XMODEM, little endian) catches typing errors, nothing more.
 */

/** What a key is for; its text begins with O, A, U, N or X. */
export type NkeyKind = "operator" | "account" | "user" | "server" | "curve";

export class NkeyError extends Error {
  override readonly name = "NkeyError";
}

const PREFIXES: { readonly [kind in NkeyKind]: number } = {
  account: 0 << 3,
  server: 13 << 3,
  operator: 14 << 3,
  user: 20 << 3,
  curve: 23 << 3,
};
const SEED_PREFIX = 18 << 3;
const KEY_BYTES = 32;

export function publicText(kind: NkeyKind, key: Uint8Array): string {
  return withCrc([PREFIXES[kind]], key);
}

export function seedText(kind: NkeyKind, seed: Uint8Array): string {
  const prefix = PREFIXES[kind];
  return withCrc([SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3], seed);
}

/** Throws `NkeyError` unless `text` is a public key. */
export function parsePublicText(text: string): { readonly kind: NkeyKind; readonly key: Uint8Array } {
  const bytes = withoutCrc(text, "public key");
  const kind = kindOf(bytes[0]);
  if (kind === undefined || bytes.length !== 1 + KEY_BYTES) throw new NkeyError("not a public nkey");
  return { kind, key: bytes.subarray(1) };
}

/** Throws `NkeyError` unless `text` is a seed; never repeats the seed in the message. */
export function parseSeedText(text: string): { readonly kind: NkeyKind; readonly seed: Uint8Array } {
  const bytes = withoutCrc(text, "seed");
  const [first = 0, second = 0] = bytes;
  const kind = kindOf(((first & 7) << 5) | (second >> 3));
  if ((first & 0xf8) !== SEED_PREFIX || kind === undefined || bytes.length !== 2 + KEY_BYTES) {
    throw new NkeyError("not an nkey seed");
  }
  return { kind, seed: bytes.subarray(2) };
}

const KINDS = Object.keys(PREFIXES).filter((name): name is NkeyKind => name in PREFIXES);

function kindOf(prefix: number | undefined): NkeyKind | undefined {
  return KINDS.find((kind) => PREFIXES[kind] === prefix);
}

function withCrc(prefix: readonly number[], key: Uint8Array): string {
  const bytes = Uint8Array.of(...prefix, ...key, 0, 0);
  const crc = crc16(bytes.subarray(0, -2));
  bytes[bytes.length - 2] = crc & 0xff;
  bytes[bytes.length - 1] = crc >> 8;
  return encodeBase32(bytes);
}

function withoutCrc(text: string, what: string): Uint8Array {
  const bytes = decodeBase32(text);
  if (bytes === undefined || bytes.length < 4) throw new NkeyError(`not an nkey ${what}`);
  const body = bytes.subarray(0, -2);
  const [low = 0, high = 0] = bytes.subarray(-2);
  if (crc16(body) !== ((high << 8) | low))
    throw new NkeyError(`the nkey ${what} is damaged: its checksum does not match`);
  return body;
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
