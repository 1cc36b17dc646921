import { nextState, type JobProblem, type JobRecord, type JobState } from "@trellis/jobs";

/** What is kept in memory of a job: enough to list it. Payload, result and log are read from the stream. */
export interface JobSummary {
  readonly id: string;
  readonly service: string;
  readonly queue: string;
  /** Of its first record: the order of the list. */
  readonly sequence: number;
  readonly createdAt: number;
  readonly key: string | undefined;
  readonly deadlineAt: number | undefined;
  state: JobState;
  attempt: number;
  updatedAt: number;
  notBefore: number | undefined;
  problem: JobProblem | undefined;
}

export interface JobFilter {
  readonly service?: string;
  readonly queue?: string;
  readonly state?: JobState;
  readonly id?: string;
}

const OPEN: ReadonlySet<JobState> = new Set(["pending", "active", "retry"]);

/**
 * The jobs of the platform, folded from the records of the stream in their order. It holds so many and no more: the
 * oldest that have ended leave first, and can still be asked for one by one.
 */
export class JobTable {
  readonly #limit: number;
  readonly #jobs = new Map<string, JobSummary>();
  /** In the order of their creation, which is the order of the stream. */
  #ordered: JobSummary[] = [];
  readonly #withDeadline = new Set<JobSummary>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#jobs.size;
  }

  apply(record: JobRecord): void {
    const { service, queue, event, sequence, at, body } = record;
    const key = `${service}.${queue}.${body.id}`;
    const known = this.#jobs.get(key);
    const state = nextState(known?.state, event, body.for);
    if (state === undefined) return;
    if (known === undefined) {
      const job: JobSummary = {
        id: body.id,
        service,
        queue,
        sequence,
        createdAt: at,
        updatedAt: at,
        key: body.key,
        deadlineAt: body.deadlineAt,
        state,
        attempt: 0,
        notBefore: undefined,
        problem: undefined,
      };
      this.#jobs.set(key, job);
      this.#ordered.push(job);
      if (body.deadlineAt !== undefined) this.#withDeadline.add(job);
      if (this.#jobs.size > this.#limit) this.#shrink();
      return;
    }
    known.state = state;
    known.updatedAt = at;
    known.notBefore = event === "retry" ? body.notBefore : undefined;
    if (event === "started" && body.for === undefined) known.attempt = body.attempt ?? known.attempt + 1;
    if (event === "retried") known.attempt = 0;
    if (body.error !== undefined) known.problem = body.error;
    else if (event === "completed" || event === "retried") known.problem = undefined;
    // A retried job has no deadline any more: it was set for its first life.
    if (!OPEN.has(state)) this.#withDeadline.delete(known);
  }

  /** Newest first, from before this sequence. */
  list(
    filter: JobFilter,
    limit: number,
    before = Number.POSITIVE_INFINITY,
  ): { readonly jobs: readonly JobSummary[]; readonly next?: number } {
    const jobs: JobSummary[] = [];
    for (let at = this.#indexBefore(before) - 1; at >= 0; at -= 1) {
      const job = this.#ordered[at];
      if (job === undefined || !matches(job, filter)) continue;
      const last = jobs.at(-1);
      if (jobs.length === limit && last !== undefined) return { jobs, next: last.sequence };
      jobs.push(job);
    }
    return { jobs };
  }

  /** Jobs that have not ended although their deadline passed before this time. */
  overdue(at: number): readonly JobSummary[] {
    return [...this.#withDeadline].filter((job) => (job.deadlineAt ?? at) < at);
  }

  clear(): void {
    this.#jobs.clear();
    this.#ordered = [];
    this.#withDeadline.clear();
  }

  /** The first index whose job is not before this sequence. */
  #indexBefore(sequence: number): number {
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ordered[middle]?.sequence ?? Number.POSITIVE_INFINITY) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A tenth at once, so that it is rare. */
  #shrink(): void {
    let surplus = Math.ceil(this.#limit / 10);
    this.#ordered = this.#ordered.filter((job) => {
      if (surplus === 0 || OPEN.has(job.state) || job.state === "dead") return true;
      surplus -= 1;
      this.#jobs.delete(`${job.service}.${job.queue}.${job.id}`);
      return false;
    });
  }
}

function matches(job: JobSummary, { service, queue, state, id }: JobFilter): boolean {
  return (
    (service === undefined || job.service === service) &&
    (queue === undefined || job.queue === queue) &&
    (state === undefined || job.state === state) &&
    (id === undefined || job.id === id)
  );
}
