import { nextState, type JobProblem, type JobRecord, type JobState } from "@trellis/jobs";

/** What is kept in memory of a job: enough to list it. Payload, result and log are read from the stream. */
export interface JobSummary {
  readonly id: string;
  readonly service: string;
  readonly queue: string;
  /** Of its first record: the order of the list. */
  readonly order: number;
  readonly createdAt: number;
  readonly key: string | undefined;
  readonly group: string | undefined;
  readonly schedule: string | undefined;
  readonly deadlineAt: number | undefined;
  state: JobState;
  attempt: number;
  updatedAt: number;
  /** The order of the last record that changed it. */
  changed: number;
  notBefore: number | undefined;
  problem: JobProblem | undefined;
}

export interface JobFilter {
  readonly service?: string | undefined;
  readonly queue?: string | undefined;
  readonly state?: JobState | undefined;
  readonly id?: string | undefined;
  readonly group?: string | undefined;
  readonly schedule?: string | undefined;
}

export type StateCounts = { [S in JobState]: number };

/** The jobs of one queue in the table, by state. */
export interface QueueCounts {
  readonly service: string;
  readonly queue: string;
  readonly counts: StateCounts;
}

const OPEN: ReadonlySet<JobState> = new Set(["pending", "active", "retry"]);

/**
 * The jobs of the platform, folded from the records of the stream in their order. It holds so many and no more: the
 * oldest that have ended leave first, and can still be asked for one by one.
 */
export class JobTable {
  readonly #limit: number;
  /** Jobs that have not ended stay whatever their number: then it is tried again only when there are many more. */
  #shrinkAt: number;
  readonly #jobs = new Map<string, JobSummary>();
  /** In the order of their creation, which is the order of the stream. */
  #ordered: JobSummary[] = [];
  readonly #withDeadline = new Set<JobSummary>();
  readonly #ofSchedules = new Map<string, Set<JobSummary>>();
  readonly #queues = new Map<string, QueueCounts>();

  constructor(limit: number) {
    this.#limit = limit;
    this.#shrinkAt = limit;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Answers the job when the record changed it. */
  apply(record: JobRecord): JobSummary | undefined {
    const { service, queue, event, order, at, body } = record;
    const key = `${service}.${queue}.${body.id}`;
    const known = this.#jobs.get(key);
    const state = nextState(known?.state, event, body.for);
    if (state === undefined) return undefined;
    if (known === undefined) return this.#add(key, record, state);
    // A claim from outside prepares the change that follows it.
    if (body.for !== undefined) return undefined;
    const { counts } = this.#queueOf(known);
    counts[known.state] -= 1;
    counts[state] += 1;
    known.state = state;
    known.updatedAt = at;
    known.changed = order;
    known.notBefore = event === "retry" ? body.notBefore : undefined;
    if (event === "started") known.attempt = body.attempt ?? known.attempt + 1;
    if (event === "retried") known.attempt = 0;
    if (body.error !== undefined) known.problem = body.error;
    else if (event === "completed" || event === "retried") known.problem = undefined;
    if (event === "retried") this.#openSchedule(known);
    // A retried job has no deadline any more: it was set for its first life.
    if (!OPEN.has(state)) {
      this.#withDeadline.delete(known);
      this.#closeSchedule(known);
    }
    return known;
  }

  /** Newest first, from before this place. */
  list(
    filter: JobFilter,
    limit: number,
    before = Number.POSITIVE_INFINITY,
  ): { readonly jobs: readonly JobSummary[]; readonly next?: number } {
    if (filter.id !== undefined) return { jobs: this.#withId(filter.id, filter).slice(0, limit) };
    const jobs: JobSummary[] = [];
    if (this.#hasNone(filter)) return { jobs };
    for (let at = this.#indexBefore(before) - 1; at >= 0; at -= 1) {
      const job = this.#ordered[at];
      if (job === undefined || !matchesJob(job, filter)) continue;
      const last = jobs.at(-1);
      if (jobs.length === limit && last !== undefined) return { jobs, next: last.order };
      jobs.push(job);
    }
    return { jobs };
  }

  /** Jobs that changed after this place, in the order of their last change. */
  changedSince(order: number, filter: JobFilter): readonly JobSummary[] {
    return this.#ordered
      .filter((job) => job.changed > order && matchesJob(job, filter))
      .sort((a, b) => a.changed - b.changed);
  }

  /** Jobs that have not ended although their deadline passed before this time. */
  overdue(at: number): readonly JobSummary[] {
    return [...this.#withDeadline].filter((job) => (job.deadlineAt ?? at) < at);
  }

  /** Ids of jobs of a schedule that have not ended. */
  openOfSchedule(service: string, queue: string, schedule: string): readonly string[] {
    return [...(this.#ofSchedules.get(`${service}.${queue}.${schedule}`) ?? [])].map(({ id }) => id);
  }

  queues(): readonly QueueCounts[] {
    return [...this.#queues.values()];
  }

  clear(): void {
    this.#jobs.clear();
    this.#ordered = [];
    this.#withDeadline.clear();
    this.#ofSchedules.clear();
    this.#queues.clear();
  }

  #add(key: string, { service, queue, order, at, body }: JobRecord, state: JobState): JobSummary {
    const names = this.#queueOf({ service, queue });
    const job: JobSummary = {
      id: body.id,
      // One text for all jobs of a queue: a million of them need not hold a million copies.
      service: names.service,
      queue: names.queue,
      order,
      createdAt: at,
      updatedAt: at,
      changed: order,
      key: body.key,
      group: body.group,
      schedule: body.schedule?.name,
      deadlineAt: body.deadlineAt,
      state,
      attempt: 0,
      notBefore: body.notBefore,
      problem: undefined,
    };
    names.counts[state] += 1;
    this.#jobs.set(key, job);
    this.#ordered.push(job);
    if (body.deadlineAt !== undefined) this.#withDeadline.add(job);
    this.#openSchedule(job);
    if (this.#jobs.size > this.#shrinkAt) this.#shrink();
    return job;
  }

  #queueOf({ service, queue }: { readonly service: string; readonly queue: string }): QueueCounts {
    const key = `${service}.${queue}`;
    const known = this.#queues.get(key) ?? { service, queue, counts: noCounts() };
    this.#queues.set(key, known);
    return known;
  }

  #openSchedule(job: JobSummary): void {
    if (job.schedule === undefined) return;
    const key = `${job.service}.${job.queue}.${job.schedule}`;
    this.#ofSchedules.set(key, (this.#ofSchedules.get(key) ?? new Set()).add(job));
  }

  #closeSchedule(job: JobSummary): void {
    if (job.schedule === undefined) return;
    const key = `${job.service}.${job.queue}.${job.schedule}`;
    const open = this.#ofSchedules.get(key);
    open?.delete(job);
    if (open?.size === 0) this.#ofSchedules.delete(key);
  }

  /** At most one of each queue, newest first. */
  #withId(id: string, filter: JobFilter): readonly JobSummary[] {
    return this.queues()
      .map(({ service, queue }) => this.#jobs.get(`${service}.${queue}.${id}`))
      .filter((job) => job !== undefined)
      .filter((job) => matchesJob(job, filter))
      .sort((a, b) => b.order - a.order);
  }

  /** Without looking at any job: there is no such queue, or nothing of it is in this state. */
  #hasNone({ service, queue, state }: JobFilter): boolean {
    return this.queues().every(
      (of) =>
        (service !== undefined && of.service !== service) ||
        (queue !== undefined && of.queue !== queue) ||
        (state !== undefined && of.counts[state] === 0),
    );
  }

  /** The first index whose job is not before this place. */
  #indexBefore(place: number): number {
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ordered[middle]?.order ?? Number.POSITIVE_INFINITY) < place) low = middle + 1;
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
      this.#queueOf(job).counts[job.state] -= 1;
      this.#jobs.delete(`${job.service}.${job.queue}.${job.id}`);
      return false;
    });
    this.#shrinkAt = Math.max(this.#limit, this.#jobs.size + Math.ceil(this.#limit / 10));
  }
}

/** Nothing in any state. */
export function noCounts(): StateCounts {
  return {
    pending: 0,
    active: 0,
    retry: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    expired: 0,
    dead: 0,
    dismissed: 0,
  };
}

/** Whether a job is one of those that are asked for. */
export function matchesJob(job: JobSummary, filter: JobFilter): boolean {
  return (
    (filter.service === undefined || job.service === filter.service) &&
    (filter.queue === undefined || job.queue === filter.queue) &&
    (filter.state === undefined || job.state === filter.state) &&
    (filter.id === undefined || job.id === filter.id) &&
    (filter.group === undefined || job.group === filter.group) &&
    (filter.schedule === undefined || job.schedule === filter.schedule)
  );
}
