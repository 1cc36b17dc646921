import type { Link } from "@trellis/client/internal";
import { actOnJob, JobJournal } from "@trellis/jobs/internal";
import { pause } from "./job-projection.ts";
import type { JobProjection } from "./job-projection.ts";

/** A worker that runs a job ends it at its deadline by itself; it gets this much longer. */
const WORKER_FIRST_MS = 2_000;
const EVERY_MS = 1_000;

/** Expires jobs whose deadline passed while nobody ran them. Any number of replicas may do it at once. */
export async function expireOverdue(projection: JobProjection, link: Link, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const { service, queue, id } of projection.table.overdue(Date.now() - WORKER_FIRST_MS)) {
      if (signal.aborted) return;
      const journal = new JobJournal({ link, service, queue, fresh: true });
      await actOnJob(journal, id, "expire", { by: "trellis", reason: "Its deadline passed before it was done." });
    }
    await pause(EVERY_MS, signal);
  }
}
