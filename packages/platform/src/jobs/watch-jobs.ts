import { frame } from "@trellis/server";
import type { FeedFrame } from "@trellis/server";
import type { JobProjection } from "./job-projection.ts";
import { type JobFilter, type JobSummary, matchesJob } from "./job-table.ts";

/**
 * The changes of jobs, one after the other. A slow reader gets of each job what it is now, not every step on the way: what
 * waits for it is never more than the jobs there are.
 */
export async function* watchJobs<T>(
  projection: JobProjection,
  {
    filter,
    cursor,
    signal,
    show,
  }: {
    readonly filter: JobFilter;
    /** Goes on after this change; from now on without it. */
    readonly cursor: string | undefined;
    readonly signal: AbortSignal;
    readonly show: (job: JobSummary) => T;
  },
): AsyncGenerator<FeedFrame<T>> {
  const changed = new Set<JobSummary>();
  let wake = Promise.withResolvers<void>();
  const stop = projection.onChange((job) => {
    if (!matchesJob(job, filter)) return;
    // To the end: a job changes once for all the changes a reader has not seen.
    changed.delete(job);
    changed.add(job);
    wake.resolve();
  });
  const end = (): void => wake.resolve();
  signal.addEventListener("abort", end, { once: true });
  try {
    await projection.catchUp();
    const since = Number(cursor ?? Number.NaN);
    // Also what changed just now: in the order of their changes, or the cursor of one would skip another.
    if (Number.isFinite(since)) {
      changed.clear();
      for (const job of projection.table.changedSince(since, filter)) changed.add(job);
    }
    while (!signal.aborted) {
      for (const job of changed) {
        changed.delete(job);
        yield frame(show(job), String(job.changed));
      }
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    stop();
    signal.removeEventListener("abort", end);
  }
}
