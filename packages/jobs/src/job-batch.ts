import { TransportError } from "@trellis/protocol";
import type { ValidationError } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { JobEnded, JobRef, WaitOptions } from "./job-ref.ts";
import type { JobNotUnique } from "./unique-job.ts";

/** Jobs that were created together. */
export interface JobBatch<R = unknown> {
  /** In the order of their payloads. */
  readonly jobs: readonly JobRef<R>[];
  /** What became of each, in the same order, once all have ended. */
  wait(options?: WaitOptions): AsyncResult<readonly Result<R, JobEnded>[], TransportError>;
}

/** Why a job could not be created. */
export type CreateError = ValidationError | TransportError | JobNotUnique;

/** Some jobs of a batch were created and some were not. */
export class BatchIncomplete extends Error {
  override readonly name = "BatchIncomplete";
  readonly created: readonly JobRef[];
  readonly failed: readonly { readonly at: number; readonly error: CreateError }[];

  constructor(created: readonly JobRef[], failed: BatchIncomplete["failed"]) {
    const [first] = failed;
    super(`${failed.length} of ${created.length + failed.length} jobs were not created: ${first?.error.message ?? ""}`);
    this.created = created;
    this.failed = failed;
  }
}

/** Publishes that wait for their acknowledgement: more fill buffers and make nothing faster. */
const IN_FLIGHT = 256;
const WAITING = 64;

/** Creates many jobs, each acknowledged by itself. */
export async function createBatch<R>(
  count: number,
  create: (at: number) => AsyncResult<JobRef<R>, CreateError>,
): Promise<Result<JobBatch<R>, BatchIncomplete>> {
  const created = await inOrder(count, IN_FLIGHT, (at) => create(at).then((result) => result));
  const jobs = created.flatMap((result) => (result.ok ? [result.value] : []));
  const failed = created.flatMap((result, at) => (result.ok ? [] : [{ at, error: result.error }]));
  if (failed.length > 0) return err(new BatchIncomplete(jobs, failed));
  return ok({ jobs, wait: (options) => new AsyncResult(waitForAll(jobs, options)) });
}

async function waitForAll<R>(
  jobs: readonly JobRef<R>[],
  { timeoutMs, signal }: WaitOptions = {},
): Promise<Result<readonly Result<R, JobEnded>[], TransportError>> {
  const endsAt = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  let failure: TransportError | undefined;
  const outcomes = await inOrder(jobs.length, WAITING, async (at): Promise<Result<R, JobEnded> | undefined> => {
    const job = jobs[at];
    if (job === undefined || failure !== undefined) return undefined;
    const leftMs = endsAt - performance.now();
    const outcome = await job.wait({
      ...(Number.isFinite(leftMs) ? { timeoutMs: Math.max(1, leftMs) } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
    if (outcome.ok) return ok(outcome.value);
    if (outcome.error instanceof TransportError) {
      failure ??= outcome.error;
      return undefined;
    }
    return err(outcome.error);
  });
  return failure === undefined ? ok(outcomes.filter((outcome) => outcome !== undefined)) : err(failure);
}

/** Runs `one` for 0, 1, …, so many at a time; the answers are in that order. */
async function inOrder<T>(count: number, atOnce: number, one: (at: number) => PromiseLike<T>): Promise<readonly T[]> {
  const answers: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      answers[at] = await one(at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return answers;
}
