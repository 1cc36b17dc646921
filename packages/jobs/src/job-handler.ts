import type { JobShape } from "@trellis/contracts";
import type { Result } from "@trellis/result";
import type { JobLog } from "./job-log.ts";

/** The job a handler works on. */
export interface RunningJob {
  readonly id: string;
  /** 1 for the first run; a job whose worker died or failed runs again. */
  readonly attempt: number;
  /**
   * Grows with every claim on this job: hand it to systems outside, and let them refuse a smaller one than they have
   * seen; then a worker that was paused and overtaken can do no harm there either.
   */
  readonly fence: number;
  /** Records how far it is; the newest value is what people see. */
  progress(value: unknown): void;
  /** Records a line that stays with the job. */
  log(message: string): void;
  /** Ends the job as failed: it is never tried again. Throws, so nothing after it runs. */
  fail(reason: string): never;
}

/** What a job handler gets. */
export interface JobContextOf<Payload, Client = unknown, Deps = unknown> {
  /** Checked against the contract's schema. */
  readonly payload: Payload;
  readonly job: RunningJob;
  /** Aborts when the job is cancelled, its deadline passes, another worker has taken it, or the service stops. */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  /** Calls what the contract uses. */
  readonly client: Client;
  /** What the service was connected with. */
  readonly deps: Deps;
}

type ResultOf<R> = R extends undefined ? Result<unknown, unknown> | void : Result<R, unknown>;

/** Runs one job. An error that is answered or thrown means: try again later, with the declared pauses. */
export type JobHandler<J extends JobShape, Client = unknown, Deps = unknown> = (
  context: JobContextOf<J["payload"], Client, Deps>,
) => ResultOf<J["result"]> | PromiseLike<ResultOf<J["result"]>>;

/** `handle.job.<queue>(handler)` */
export type JobRegistrars<Jobs extends { readonly [queue: string]: JobShape }, Client = unknown, Deps = unknown> = {
  readonly [Q in keyof Jobs]: (handler: JobHandler<Jobs[Q], Client, Deps>) => void;
};

/** A handler once its types have done their work. */
export type AnyJobHandler = (context: JobContextOf<unknown>) => unknown;
