import type { NatsConnection } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { JOBS_STREAM } from "@trellis/contracts";
import type { JobRecord } from "@trellis/jobs";
import { actOnJob, isJobId, JobJournal, type OutsideClaim } from "@trellis/jobs/internal";
import { err, ok, type Result } from "@trellis/result";
import { type jobs, NotFound, Refused } from "@trellis/sdk";
import { type HandlersOf, isoTime } from "../handlers/handler.ts";
import { page } from "../handlers/page.ts";
import { streamState } from "../registry/jetstream-api.ts";
import type { JobProjection } from "./job-projection.ts";
import { readHistory } from "./job-records.ts";
import { type JobFilter, type JobSummary, noCounts } from "./job-table.ts";
import { liveWorkers } from "./workers.ts";

export interface JobHandlerParts {
  readonly link: Link;
  readonly data: NatsConnection;
  readonly projection: JobProjection;
}

type Refusal = InstanceType<typeof NotFound> | InstanceType<typeof Refused>;
type Handlers = HandlersOf<
  typeof jobs,
  | "Jobs.Health"
  | "Jobs.ListServices"
  | "Jobs.List"
  | "Jobs.Get"
  | "Jobs.Retry"
  | "Jobs.Cancel"
  | "Jobs.ListDLQ"
  | "Jobs.ReplayDLQ"
  | "Jobs.DismissDLQ"
>;

/** As many as a screen shows. */
const DEFAULT_LIMIT = 100;
/** Records of one job that are shown. */
const HISTORY_LIMIT = 500;

/** The jobs of every service, for operators. */
export function jobHandlers(parts: JobHandlerParts): Handlers {
  const { projection, data } = parts;
  const list = async (filter: JobFilter, limit = DEFAULT_LIMIT, cursor?: string) => {
    await projection.catchUp();
    const before = Number(cursor ?? Number.NaN);
    const { jobs: found, next } = projection.table.list(filter, limit, Number.isFinite(before) ? before : undefined);
    return ok({ jobs: found.map(shown), ...(next === undefined ? {} : { nextCursor: String(next) }) });
  };
  const act =
    (action: OutsideClaim): Handlers["Jobs.Cancel"] =>
    async ({ input, caller }) => {
      const found = await find(parts, input);
      if (!found.ok) return found;
      const { id, service, queue } = found.value;
      const journal = new JobJournal({ link: parts.link, service, queue, fresh: true });
      const outcome = await actOnJob(journal, id, action, {
        by: caller.name,
        ...(input.reason === undefined ? {} : { reason: input.reason }),
      });
      switch (outcome.kind) {
        case "done":
          return ok({ id, service, queue, state: outcome.state });
        case "not_found":
          return err(new NotFound({ kind: "job", name: id }));
        case "wrong_state":
          return err(
            new Refused({ code: "wrong_state", why: `The job ${id} is ${outcome.state}.`, next: WHEN[action] }),
          );
        case "busy":
          return err(
            new Refused({
              code: "busy",
              why: `The job ${id} changed at the same time.`,
              next: "Look at it and try again.",
            }),
          );
      }
    };
  return {
    "Jobs.Health": async () => {
      const { messages } = await streamState(data, JOBS_STREAM);
      return ok({ jobs: projection.table.size, records: messages, behind: projection.behind });
    },
    "Jobs.ListServices": async ({ input: { service, queue, ...paging } }) => {
      await projection.catchUp();
      const queues = new Map(projection.table.queues().map((each) => [`${each.service}.${each.queue}`, each]));
      const workers = Map.groupBy(await liveWorkers(data), (worker) => `${worker.service}.${worker.queue}`);
      for (const [key, [first]] of workers)
        if (!queues.has(key) && first !== undefined)
          queues.set(key, { service: first.service, queue: first.queue, counts: noCounts() });
      const wanted = [...queues.values()].filter(
        (each) => (service === undefined || each.service === service) && (queue === undefined || each.queue === queue),
      );
      const { items, nextCursor } = page(wanted, (each) => `${each.service}.${each.queue}`, paging);
      return ok({
        queues: items.map((each) => ({
          service: each.service,
          queue: each.queue,
          counts: { ...each.counts },
          workers: (workers.get(`${each.service}.${each.queue}`) ?? []).map(
            ({ worker, concurrency, running, jobs, at }) => ({
              worker,
              concurrency,
              running,
              jobs: [...jobs],
              seenAt: isoTime(at),
            }),
          ),
        })),
        ...(nextCursor === undefined ? {} : { nextCursor }),
      });
    },
    "Jobs.List": ({ input: { limit, cursor, ...filter } }) => list(filter, limit, cursor),
    "Jobs.ListDLQ": ({ input: { limit, cursor, ...filter } }) => list({ ...filter, state: "dead" }, limit, cursor),
    "Jobs.Get": async ({ input }) => {
      const found = await find(parts, input);
      if (!found.ok) return found;
      const { records, pending } = await readHistory(data, found.value, HISTORY_LIMIT);
      const created = records.find(({ event }) => event === "created");
      const completed = records.findLast(({ event }) => event === "completed");
      return ok({
        job: shown(found.value),
        payload: created?.body.payload ?? null,
        ...(completed?.body.result === undefined ? {} : { result: completed.body.result }),
        history: records.map(entry),
        more: pending > 0,
      });
    },
    "Jobs.Retry": act("retry"),
    "Jobs.Cancel": act("cancel"),
    "Jobs.ReplayDLQ": act("replay"),
    "Jobs.DismissDLQ": act("dismiss"),
  };
}

const WHEN: { readonly [A in OutsideClaim]: string } = {
  cancel: "Only a job that has not ended can be cancelled.",
  expire: "Only a job that has not ended expires.",
  retry: "Only a failed job is retried; a dead one is replayed.",
  replay: "Only a dead job is replayed; a failed one is retried.",
  dismiss: "Only a dead job is dismissed.",
};

async function find(
  { projection }: JobHandlerParts,
  { id, service, queue }: { readonly id: string; readonly service?: string; readonly queue?: string },
): Promise<Result<JobSummary, Refusal>> {
  if (!isJobId(id)) return err(new NotFound({ kind: "job", name: id }));
  await projection.catchUp();
  const filter = { id, ...(service === undefined ? {} : { service }), ...(queue === undefined ? {} : { queue }) };
  const [first, second] = projection.table.list(filter, 2).jobs;
  if (first === undefined) return err(new NotFound({ kind: "job", name: id }));
  if (second !== undefined) {
    return err(
      new Refused({
        code: "ambiguous",
        why: `${id} is a job of ${first.service} ${first.queue} and of ${second.service} ${second.queue}.`,
        next: "Name the service and the queue too.",
      }),
    );
  }
  return ok(first);
}

export function shown(job: JobSummary) {
  const {
    id,
    service,
    queue,
    state,
    attempt,
    createdAt,
    updatedAt,
    key,
    group,
    schedule,
    deadlineAt,
    notBefore,
    problem,
  } = job;
  return {
    id,
    service,
    queue,
    state,
    attempt,
    createdAt: isoTime(createdAt),
    updatedAt: isoTime(updatedAt),
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(deadlineAt === undefined ? {} : { deadlineAt: isoTime(deadlineAt) }),
    ...(notBefore === undefined ? {} : { notBefore: isoTime(notBefore) }),
    ...(problem === undefined ? {} : { problem }),
  };
}

function entry({ event, at, body }: JobRecord) {
  const { attempt, worker, message, progress, error, by, reason, context } = body;
  return {
    event: body.for === undefined ? event : `claimed to ${body.for}`,
    at: isoTime(at),
    ...(attempt === undefined ? {} : { attempt }),
    ...(worker === undefined ? {} : { worker }),
    ...(message === undefined ? {} : { message }),
    ...(progress === undefined ? {} : { progress }),
    ...(error === undefined ? {} : { problem: error }),
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(context.traceId === undefined ? {} : { traceId: context.traceId }),
  };
}
