import { encodeBase64url, JOB_PRIORITIES } from "@trellis/contracts";
import type { JobPriority } from "@trellis/contracts";
import { newEventId, portableSha256 } from "@trellis/protocol";

/** A fresh id: the time it was made in front, so ids of one priority sort by age. */
export function newJobId(nowMs: number, priority?: JobPriority): string {
  return withPriority(newEventId(nowMs), priority);
}

/** Characters of a hash that stand for a key: 132 bits. */
const KEY_CHARACTERS = 22;

/** What a key, of any length and alphabet, is called in a subject. */
export function hashOfKey(key: string): string {
  return encodeBase64url(portableSha256(new TextEncoder().encode(key))).slice(0, KEY_CHARACTERS);
}

/** The id of the one job a key stands for within its queue, at its priority. */
export function jobIdOfKey(key: string, priority?: JobPriority): string {
  return withPriority(`k_${hashOfKey(key)}`, priority);
}

/** The priority is part of the id: whoever knows the id knows where the records that make work are. */
function withPriority(id: string, priority: JobPriority | undefined): string {
  return priority === undefined ? id : `${priority}-${id}`;
}

/** As many jobs as are created with one record. */
export const PACK_MOST = 64;
const IN_PACK = /^([0-9A-Z]{26})-(\d{1,2})$/;

/** The job at this place among those that were created with one record. */
export function jobIdInPack(pack: string, at: number): string {
  return `${pack}-${at}`;
}

/** The pack a job was created in, and its place there; nothing when it has a record of its own. */
export function packOf(id: string): { readonly pack: string; readonly at: number } | undefined {
  const [, pack, at] = IN_PACK.exec(id) ?? [];
  return pack === undefined ? undefined : { pack, at: Number(at) };
}

/** Nothing is the normal one. */
export function priorityOf(id: string): JobPriority | undefined {
  for (const priority of JOB_PRIORITIES) if (id.startsWith(priority) && id[priority.length] === "-") return priority;
  return undefined;
}

/** What may stand for a job in a subject. */
export function isJobId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}
