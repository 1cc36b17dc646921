import type { JobContextOf, RunningJob } from "./job-handler.ts";
import type { JobLog } from "./job-log.ts";

/** What a handler sees of its run. Signal and log cost something, so they are made when a handler first asks for them. */
export class JobContext implements JobContextOf<unknown> {
  readonly payload: unknown;
  readonly job: RunningJob;
  readonly client: unknown;
  readonly deps: unknown;
  readonly #makeLog: () => JobLog;
  #log: JobLog | undefined;
  #abort: AbortController | undefined;
  #why: DOMException | undefined;

  constructor(
    payload: unknown,
    job: RunningJob,
    given: { readonly client: unknown; readonly deps: unknown },
    makeLog: () => JobLog,
  ) {
    this.payload = payload;
    this.job = job;
    this.client = given.client;
    this.deps = given.deps;
    this.#makeLog = makeLog;
  }

  get log(): JobLog {
    return (this.#log ??= this.#makeLog());
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#why !== undefined) this.#abort.abort(this.#why);
    }
    return this.#abort.signal;
  }

  /** The handler is asked to stop. */
  abort(why: DOMException): void {
    this.#why = why;
    this.#abort?.abort(why);
  }
}
