import { encodeBase64url } from "@trellis/contracts";
import { newEventId, portableSha256 } from "@trellis/protocol";

/** A fresh id: the time it was made in front, so ids sort by age. */
export function newJobId(nowMs: number): string {
  return newEventId(nowMs);
}

/** Characters of a hash that stand for a key: 132 bits. */
const KEY_CHARACTERS = 22;

/** The id of the one job a key stands for within its queue. */
export function jobIdOfKey(key: string): string {
  return `k_${encodeBase64url(portableSha256(new TextEncoder().encode(key))).slice(0, KEY_CHARACTERS)}`;
}

/** What may stand for a job in a subject. */
export function isJobId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}
