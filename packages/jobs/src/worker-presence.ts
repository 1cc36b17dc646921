import type { JobMarks } from "./job-marks.ts";

/** Somebody who works on a queue, as everybody can see it. */
export interface WorkerPresence {
  readonly worker: string;
  readonly concurrency: number;
  readonly running: number;
  /** Some of the jobs at work, the oldest first. */
  readonly jobs: readonly string[];
}

const EVERY_MS = 5_000;
/** A worker that says nothing for so long is not listed any more. */
const PRESENCE_TTL_MS = 20_000;
/** A list for people, in every sign of life. */
const SHOWN_JOBS = 20;

/** What a worker showed, or nothing when it is not that. */
export function readPresence(value: unknown): WorkerPresence | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("worker" in value) || typeof value.worker !== "string") return undefined;
  if (!("concurrency" in value) || !isCount(value.concurrency)) return undefined;
  if (!("running" in value) || !isCount(value.running)) return undefined;
  if (!("jobs" in value) || !Array.isArray(value.jobs)) return undefined;
  const jobs = value.jobs.filter((id): id is string => typeof id === "string");
  return { worker: value.worker, concurrency: value.concurrency, running: value.running, jobs };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Shows now and then who works here and on what. Answers what stops it. */
export function showPresence(
  marks: JobMarks,
  concurrency: number,
  worker: string,
  atWork: () => Iterable<string>,
): () => void {
  const show = (ttlMs = PRESENCE_TTL_MS): void => {
    const all = [...atWork()];
    const presence: WorkerPresence = { worker, concurrency, running: all.length, jobs: all.slice(0, SHOWN_JOBS) };
    try {
      marks.show("worker", worker, presence, ttlMs);
    } catch {
      // Without a connection nobody is listed; the next sign of life is.
    }
  };
  show();
  const timer = setInterval(show, EVERY_MS);
  return () => {
    clearInterval(timer);
    // The shortest life there is.
    show(1_000);
  };
}
