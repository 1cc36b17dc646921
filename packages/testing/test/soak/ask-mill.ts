import type { TrellisClient } from "@trellis/client/node";
import { JobEnded } from "@trellis/jobs";
import { AuthError, TransportError } from "@trellis/protocol";
import type { TrellisService } from "@trellis/server/node";
import type { baker, mill } from "./contract.ts";
import type { LoadOptions } from "./load.ts";

const LONGEST_MS = 150;

/** Creates jobs and waits for them. The same key each time: however often it is tried, it is one job. */
export function askForJobs(
  customer: TrellisService<typeof mill>,
  name: string,
  random: () => number,
): LoadOptions["ask"] {
  return async (n) => {
    const payload = { n, ms: Math.floor(random() * LONGEST_MS) };
    const created = await customer.jobs.grind.create(payload, { key: `${name} ${n}` });
    if (!created.ok) return undefined;
    return {
      id: created.value.id,
      async wait() {
        const ended = await created.value.wait();
        if (ended.ok) return { state: "completed", result: ended.value };
        return ended.error instanceof JobEnded ? { state: ended.error.state } : undefined;
      },
    };
  };
}

/** Starts operations and waits for them. */
export function askForOperations(
  client: TrellisClient<typeof baker>,
  name: string,
  random: () => number,
): LoadOptions["ask"] {
  return async (n) => {
    const input = { n, ms: Math.floor(random() * LONGEST_MS) };
    const started = await client.operation.mill.bake.start(input, { key: `${name} ${n}` });
    if (!started.ok) return undefined;
    return {
      id: started.value.id,
      async wait() {
        const ended = await started.value.wait();
        if (ended.ok) return { state: "completed", result: ended.value };
        const passing = ended.error instanceof TransportError || ended.error instanceof AuthError;
        return passing ? undefined : { state: "failed", why: ended.error.message };
      },
    };
  };
}
