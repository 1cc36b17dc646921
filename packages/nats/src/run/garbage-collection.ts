import { totalmem } from "node:os";

/** Of the memory there is, nats-server may use so much before it collects as often as Go usually does. */
const SHARE_OF_MEMORY = 0.25;

/**
 * How nats-server collects its garbage. Its live memory is small and it allocates for every message, so with Go's usual
 * setting it collects all the time: 13 % of its processor time under load. Half of that when the heap may grow to three times what
 * is live; more would save little and hold much.
 */
export function garbageCollection(): { readonly GOGC: string; readonly GOMEMLIMIT: string } {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return { GOGC: "200", GOMEMLIMIT: `${Math.floor((memory * SHARE_OF_MEMORY) / 1024 ** 2)}MiB` };
}
