import { createHash, createHmac } from "node:crypto";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * The id of an event that every replica sees and publishes: a ULID made of when and what, the same everywhere, so the
 * stream stores the event once.
 */
export function sharedEventId(at: number, what: string): string {
  let time = "";
  for (let rest = Math.max(0, Math.floor(at)), place = 0; place < 10; place += 1) {
    time = CROCKFORD.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return time + crockford(createHash("sha256").update(what).digest());
}

/**
 * The same id as only the control plane can know it. The stream drops a second message with an id, whoever sent the first:
 * somebody who could guess the id of an event could publish one of their own under it before, and the event would be lost.
 */
export function sealEventId(id: string, secret: string): string {
  return id.slice(0, 10) + crockford(createHmac("sha256", secret).update(`event ${id}`).digest());
}

function crockford(hash: Uint8Array): string {
  let random = "";
  for (let place = 0; place < 16; place += 1) random += CROCKFORD.charAt((hash[place] ?? 0) & 31);
  return random;
}

/** Publishes an event of `trellis.auth@v1`; the id keeps replicas from telling it twice. Must not throw. */
export type PublishEvent = (
  name: "Auth.Connections.Opened" | "Auth.Connections.Closed" | "Auth.Connections.Kicked" | "Auth.Sessions.Revoked",
  payload: { readonly [member: string]: unknown },
  options: { readonly id: string },
) => void;
