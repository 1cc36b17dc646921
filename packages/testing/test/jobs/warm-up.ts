import type { JobQueue, JobRef } from "@trellis/jobs";
import { expect } from "vitest";

/** The first handler of a process may take its time; so many quick ones later that is forgotten. */
export const WARM_UPS = 24;

/** Jobs with records of their own: afterwards a worker knows that its handler is quick, and claims a pack as a whole. */
export async function warmUp<P, R>(queue: JobQueue<P, R>, payload: P): Promise<void> {
  const jobs: JobRef<R>[] = [];
  for (let n = 0; n < WARM_UPS; n += 1) jobs.push(await queue.create(payload).orThrow());
  expect(jobs.filter(({ id }) => id.includes("-"))).toEqual([]);
  await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 15_000 }).orThrow()));
}
