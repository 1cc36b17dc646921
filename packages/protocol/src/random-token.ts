/** 64 characters that a NATS token, a header and a URL may all hold: six random bits each, without bias. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Asking the system's generator costs more than the bytes do; used bytes are wiped and never served twice. */
const pool = new Uint8Array(4_096);
let used = pool.length;

/** Unguessable text of this many characters from the system's cryptographic generator. */
export function randomToken(characters: number): string {
  let text = "";
  for (let index = 0; index < characters; index += 1) text += ALPHABET.charAt(randomByte() & 63);
  return text;
}

/** A byte of the system's cryptographic generator, which is asked for many at once; none is given out twice. */
export function randomByte(): number {
  if (used === pool.length) {
    globalThis.crypto.getRandomValues(pool);
    used = 0;
  }
  const byte = pool[used] ?? 0;
  pool[used] = 0;
  used += 1;
  return byte;
}

/** Whether this part of a text, from `start` on, is exactly `characters` characters of a random token. */
export function isTokenText(text: string, start: number, characters: number): boolean {
  if (text.length < start + characters) return false;
  for (let at = start; at < start + characters; at += 1) {
    const code = text.charCodeAt(at);
    const fits =
      (code >= 97 && code <= 122) ||
      (code >= 65 && code <= 90) ||
      (code >= 48 && code <= 57) ||
      code === 45 ||
      code === 95;
    if (!fits) return false;
  }
  return true;
}
