import { isTokenText, randomToken } from "./random-token.ts";
import { isSessionKey } from "./signed-text.ts";

/**
 * Reply subjects. A participant hears what is below its own prefix and nothing else; the class says who may write:
 * `r` one reply and `s` many (services), `a` JetStream only (no participant may publish there), `c` the control plane.
 */
export type InboxClass = "r" | "s" | "a" | "c";

/** Characters of the random part that stands for a connection or a stream: 132 bits. */
export const INBOX_OWNER_CHARACTERS = 22;
/** Characters of the random part that stands for one call: 72 bits. */
export const INBOX_CALL_CHARACTERS = 12;

const PREFIX_CHARACTERS = 16;

/** `_INBOX.` and the first 16 characters of the session key. */
export function inboxPrefix(sessionKey: string): string {
  if (!isSessionKey(sessionKey)) {
    throw new TypeError("An inbox prefix needs a session key: base64url of a 32-byte Ed25519 public key.");
  }
  return `_INBOX.${sessionKey.slice(0, PREFIX_CHARACTERS)}`;
}

/** A fresh random part for a connection (`r`, `a`) or a stream (`s`). */
export function newInboxOwner(): string {
  return randomToken(INBOX_OWNER_CHARACTERS);
}

/** Where the answers of one connection arrive: subscribe to `<base>.*`. */
export function replyBase(prefix: string, inboxClass: "r" | "a", owner: string): string {
  return `${prefix}.${inboxClass}.${owner}`;
}

/** The reply subject of one call: the base of its connection and a fresh random part. */
export function newReplySubject(base: string): string {
  return `${base}.${randomToken(INBOX_CALL_CHARACTERS)}`;
}

/** A fresh subject for many answers to one question. */
export function newStreamSubject(prefix: string): string {
  return `${prefix}.s.${newInboxOwner()}`;
}

/** Where the control plane tells one session what changed. */
export function sessionNoticeSubject(prefix: string): string {
  return `${prefix}.c.notice`;
}

/**
 * Whether a reply subject has exactly the shape of this class below this prefix. Anything else gets no answer at
 * all: answering it would let a caller make an honest service write where the caller may not.
 */
export function isReplyTo(prefix: string, subject: string | undefined, inboxClass: InboxClass): boolean {
  if (subject === undefined || !subject.startsWith(prefix)) return false;
  const at = prefix.length;
  if (subject[at] !== "." || subject[at + 1] !== inboxClass || subject[at + 2] !== ".") return false;
  const start = at + 3;
  if (inboxClass === "c") return subject.slice(start) === "notice";
  if (!isTokenText(subject, start, INBOX_OWNER_CHARACTERS)) return false;
  const end = start + INBOX_OWNER_CHARACTERS;
  if (inboxClass === "s") return subject.length === end;
  return (
    subject[end] === "." &&
    subject.length === end + 1 + INBOX_CALL_CHARACTERS &&
    isTokenText(subject, end + 1, INBOX_CALL_CHARACTERS)
  );
}
