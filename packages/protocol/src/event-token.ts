/**
 * One value as one token of a subject, and back. Printable ASCII stands for itself, except `.`, `*`, `>` and the
 * escape sign `%`; everything else — white space, controls, every character beyond ASCII, and a leading `$` — is the
 * `%XX` of its UTF-8 bytes, in capitals. The empty text is a lone `%`. Every text has exactly one token, and only
 * such tokens read back, so what a subscriber reads is what the publisher meant.
 */
const EMPTY = "%";
const PLAIN = /^(?!\$)[!-$&-)+-\-/-=?-~]+$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The token of a text; `undefined` when half of a surrogate pair makes it no text at all. */
export function escapeEventToken(text: string): string | undefined {
  if (PLAIN.test(text)) return text;
  if (text === "") return EMPTY;
  if (!text.isWellFormed()) return undefined;
  let token = "";
  for (const byte of encoder.encode(text)) {
    token += isPlainByte(byte, token === "") ? String.fromCharCode(byte) : escapeByte(byte);
  }
  return token;
}

/** The text of a token, or `undefined` when `escapeEventToken` would not have written it. */
export function unescapeEventToken(token: string): string | undefined {
  if (PLAIN.test(token)) return token;
  if (token === EMPTY) return "";
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    if (token[at] === "%") {
      const hex = token.slice(at + 1, at + 3);
      if (!/^[0-9A-F]{2}$/.test(hex)) return undefined;
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      const code = token.charCodeAt(at);
      if (code > 0x7e) return undefined;
      bytes.push(code);
    }
  }
  try {
    const text = decoder.decode(new Uint8Array(bytes));
    return escapeEventToken(text) === token ? text : undefined;
  } catch {
    return undefined;
  }
}

function isPlainByte(byte: number, first: boolean): boolean {
  if (byte < 0x21 || byte > 0x7e) return false;
  if (byte === 0x24) return !first;
  return byte !== 0x25 && byte !== 0x2a && byte !== 0x2e && byte !== 0x3e;
}

function escapeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
