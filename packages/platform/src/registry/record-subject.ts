/** Subjects of the registry: `registry.<table>.<id>`, an id being one token whatever characters it has. */

export const REGISTRY_STREAM = "REGISTRY";
export const REGISTRY_SUBJECTS = "registry.>";

const PREFIX = "registry.";
const PLAIN = /^[A-Za-z0-9_-]+$/;
const TABLE = /^[a-z][a-z0-9_]*$/;

/** Throws for a name that is not one: tables are named in code. */
export function recordSubject(table: string, id: string): string {
  if (!TABLE.test(table)) throw new TypeError(`"${table}" is not a table name: lower-case letters, digits and _.`);
  return `${PREFIX}${table}.${encodeToken(id)}`;
}

export function parseRecordSubject(subject: string): { readonly table: string; readonly id: string } | undefined {
  if (!subject.startsWith(PREFIX)) return undefined;
  const dot = subject.indexOf(".", PREFIX.length);
  if (dot < 0) return undefined;
  const id = decodeToken(subject.slice(dot + 1));
  return id === undefined ? undefined : { table: subject.slice(PREFIX.length, dot), id };
}

/** Letters, digits, `_` and `-` stay; every other byte of the UTF-8 text becomes `=XX`. */
export function encodeToken(text: string): string {
  if (PLAIN.test(text)) return text;
  if (text === "") throw new TypeError("An id must not be empty.");
  let token = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    token += byte < 128 && PLAIN.test(character) ? character : `=${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }
  return token;
}

/** `undefined` for a token that `encodeToken` would not have written. */
export function decodeToken(token: string): string | undefined {
  if (PLAIN.test(token)) return token;
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    const character = token.charAt(at);
    if (character === "=") {
      const hex = token.slice(at + 1, at + 3);
      if (!/^[0-9A-F]{2}$/.test(hex)) return undefined;
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else if (PLAIN.test(character)) bytes.push(character.charCodeAt(0));
    else return undefined;
  }
  const text = Buffer.from(bytes).toString("utf8");
  return text !== "" && encodeToken(text) === token ? text : undefined;
}
