import type { Link } from "@trellis/client/internal";
import { pause } from "@trellis/client/internal";
import { TransportError } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { packOf } from "./job-id.ts";
import type { JobJournal } from "./job-journal.ts";
import { readRecordBody } from "./job-record.ts";
import type { JobProblem, JobRecord } from "./job-record.ts";
import { endsLife, stateAfterLast } from "./job-state.ts";
import type { JobState } from "./job-state.ts";
import { actOnJob, stateOf } from "./outside-action.ts";

/** A job ended without a result. */
export class JobEnded extends Error {
  override readonly name = "JobEnded";
  readonly jobId: string;
  readonly state: JobState;
  readonly problem: JobProblem | undefined;

  constructor(jobId: string, state: JobState, problem: JobProblem | undefined, reason: string | undefined) {
    const why = problem?.message ?? reason;
    super(`The job ${jobId} is ${state}${why === undefined ? "." : `: ${why}`}`);
    this.jobId = jobId;
    this.state = state;
    this.problem = problem;
  }
}

/** A job that cannot be cancelled any more, or is not there. */
export class JobNotCancelled extends Error {
  override readonly name = "JobNotCancelled";
  readonly jobId: string;
  readonly state: JobState | undefined;

  constructor(jobId: string, state: JobState | undefined, message: string) {
    super(message);
    this.jobId = jobId;
    this.state = state;
  }
}

export interface WaitOptions {
  /** Gives up waiting; the job goes on. Without it: as long as it takes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One job, wherever it runs. */
export interface JobRef<R = unknown> {
  readonly id: string;
  readonly queue: string;
  /** False when a job with the same key was there already: this is that one. */
  readonly created: boolean;
  /** Where the job stands now; `undefined` when there is no such job. */
  state(): AsyncResult<JobState | undefined, TransportError>;
  /** Its result, or how it ended without one. */
  wait(options?: WaitOptions): AsyncResult<R, JobEnded | TransportError>;
  /** Ends it as cancelled; a running handler's signal aborts. */
  cancel(reason?: string): AsyncResult<undefined, JobNotCancelled | TransportError>;
}

/** Looked at this often even when nothing is heard. */
const LOOK_MS = 5_000;

export function createJobRef(options: {
  readonly link: Link;
  readonly journal: JobJournal;
  readonly id: string;
  readonly queue: string;
  readonly created: boolean;
  readonly by: string;
}): JobRef {
  const { link, journal, id, queue, created, by } = options;
  return {
    id,
    queue,
    created,
    state: () =>
      guarded(async () => {
        const last = await journal.last(id);
        return ok(last === undefined ? undefined : await stateOf(journal, id, last));
      }),
    wait: (waiting = {}) => guarded(() => waitFor(link, journal, id, waiting)),
    cancel: (reason) =>
      guarded(async (): Promise<Result<undefined, JobNotCancelled | TransportError>> => {
        const outcome = await actOnJob(journal, id, "cancel", { by, ...(reason === undefined ? {} : { reason }) });
        switch (outcome.kind) {
          case "done":
            return ok(undefined);
          case "not_found":
            return err(new JobNotCancelled(id, undefined, `There is no job ${id} in the queue ${queue}.`));
          case "wrong_state":
            return err(
              new JobNotCancelled(id, outcome.state, `The job ${id} is ${outcome.state}: there is nothing to cancel.`),
            );
          case "busy":
            return err(
              new TransportError("retry_later", {
                message: `The job ${id} changed while it was being cancelled; try again.`,
              }),
            );
        }
      }),
  };
}

async function waitFor(
  link: Link,
  journal: JobJournal,
  id: string,
  { timeoutMs, signal }: WaitOptions,
): Promise<Result<unknown, JobEnded | TransportError>> {
  const endsAt = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  let heard = Promise.withResolvers<void>();
  const within = packOf(id);
  const subscriptions = [
    link.subscribe(journal.subject(id, "*"), {
      onMessage: ({ subject }) => {
        const event = subject.slice(subject.lastIndexOf(".") + 1);
        if (ENDS.has(event)) heard.resolve();
      },
    }),
  ];
  if (within !== undefined)
    subscriptions.push(
      link.subscribe(journal.subject(within.pack, "started"), {
        onMessage: ({ data }) => {
          if (readRecordBody(data)?.completed?.some(({ at }) => at === within.at) === true) heard.resolve();
        },
      }),
    );
  try {
    await link.flush();
    for (;;) {
      const last = await journal.last(id, "*", 0, signal).catch((error: unknown) => {
        if (error instanceof TransportError && error.code !== "cancelled" && error.code !== "closed")
          return "away" as const;
        throw error;
      });
      if (last !== undefined && last !== "away" && endsLife(last.event)) return outcomeOf(last);
      const leftMs = Math.min(LOOK_MS, endsAt - performance.now());
      if (leftMs <= 0)
        return err(
          new TransportError("timeout", {
            message: `The job ${id} has not ended yet; it goes on.`,
            hint: "Wait again, or look at it with `trellis jobs show`.",
          }),
        );
      const woken = new AbortController();
      await Promise.race([
        heard.promise,
        pause(leftMs, signal === undefined ? woken.signal : AbortSignal.any([signal, woken.signal])),
      ]);
      woken.abort();
      heard = Promise.withResolvers<void>();
      if (signal?.aborted === true)
        return err(new TransportError("cancelled", { message: `Waiting for the job ${id} was given up; it goes on.` }));
    }
  } finally {
    for (const subscription of subscriptions) subscription.close();
  }
}

const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "expired", "dead", "dismissed"]);

function outcomeOf({ event, body }: JobRecord): Result<unknown, JobEnded> {
  if (event === "completed") return ok(body.result);
  return err(new JobEnded(body.id, stateAfterLast(event) ?? "failed", body.error, body.reason));
}

function guarded<T, E>(body: () => Promise<Result<T, E>>): AsyncResult<T, E | TransportError> {
  return AsyncResult.run<T, E | TransportError>(async () => {
    try {
      return await body();
    } catch (error) {
      if (error instanceof TransportError) return err(error);
      throw error;
    }
  });
}
