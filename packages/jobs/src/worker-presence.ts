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

/** The mark under which a worker is listed. */
export function presenceMark(worker: string): string {
  return `worker-${worker}`;
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
      marks.show(presenceMark(worker), presence, ttlMs);
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
