import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { NotFound, Refused } from "./auth.ts";

const name = Type.String({ maxLength: 128 });

const JobState = Type.Union([
  Type.Literal("pending"),
  Type.Literal("active"),
  Type.Literal("retry"),
  Type.Literal("completed"),
  Type.Literal("failed"),
  Type.Literal("cancelled"),
  Type.Literal("expired"),
  Type.Literal("dead"),
  Type.Literal("dismissed"),
]);
const Problem = Type.Object({ type: Type.String(), message: Type.String() });
const Page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  cursor: Type.Optional(Type.String({ maxLength: 32 })),
};
const Where = { service: Type.Optional(name), queue: Type.Optional(name) };

const Job = Type.Object({
  id: Type.String(),
  service: Type.String(),
  queue: Type.String(),
  state: JobState,
  /** Runs so far. */
  attempt: Type.Integer(),
  createdAt: Type.String(),
  updatedAt: Type.String(),
  key: Type.Optional(Type.String()),
  group: Type.Optional(Type.String()),
  /** The schedule that created it. */
  schedule: Type.Optional(Type.String()),
  deadlineAt: Type.Optional(Type.String()),
  /** When it may begin at the earliest: it was delayed, or waits for its next attempt. */
  notBefore: Type.Optional(Type.String()),
  problem: Type.Optional(Problem),
});
const Which = {
  ...Where,
  group: Type.Optional(Type.String({ maxLength: 1_000 })),
  schedule: Type.Optional(name),
};
const ListInput = Type.Object({ ...Which, state: Type.Optional(JobState), ...Page });
const ListDLQInput = Type.Object({ ...Which, ...Page });
/** Newest first. */
const List = Type.Object({ jobs: Type.Array(Job), nextCursor: Type.Optional(Type.String()) });
/** Service and queue only where one id stands for several jobs. */
const Ref = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }), ...Where });
const Action = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  ...Where,
  reason: Type.Optional(Type.String({ maxLength: 1_000 })),
});
const HistoryEntry = Type.Object({
  event: Type.String(),
  at: Type.String(),
  attempt: Type.Optional(Type.Integer()),
  worker: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
  progress: Type.Optional(Type.Unknown()),
  problem: Type.Optional(Problem),
  by: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  traceId: Type.Optional(Type.String()),
});
const Details = Type.Object({
  job: Job,
  payload: Type.Unknown(),
  result: Type.Optional(Type.Unknown()),
  /** Oldest first; `more` says that there were too many to show. */
  history: Type.Array(HistoryEntry),
  more: Type.Boolean(),
});
const WatchInput = Type.Object({
  ...Which,
  state: Type.Optional(JobState),
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
});
const Nothing = Type.Object({});
const Health = Type.Object({
  /** Jobs that can be listed. */
  jobs: Type.Integer(),
  /** Records in the stream, and those of them this replica has not read yet. */
  records: Type.Integer(),
  behind: Type.Integer(),
});
const ListServicesInput = Type.Object({ ...Where, limit: Page.limit, cursor: Type.Optional(name) });
const Services = Type.Object({
  queues: Type.Array(
    Type.Object({
      service: Type.String(),
      queue: Type.String(),
      counts: Type.Object({
        pending: Type.Integer(),
        active: Type.Integer(),
        retry: Type.Integer(),
        completed: Type.Integer(),
        failed: Type.Integer(),
        cancelled: Type.Integer(),
        expired: Type.Integer(),
        dead: Type.Integer(),
        dismissed: Type.Integer(),
      }),
      /** Those that gave a sign of life in the last seconds, and some of the jobs each is at. */
      workers: Type.Array(
        Type.Object({
          worker: Type.String(),
          concurrency: Type.Integer(),
          running: Type.Integer(),
          jobs: Type.Array(Type.String()),
          seenAt: Type.String(),
        }),
      ),
    }),
  ),
  nextCursor: Type.Optional(Type.String()),
});
const ListSchedulesInput = Type.Object({
  ...Where,
  limit: Page.limit,
  cursor: Type.Optional(Type.String({ maxLength: 400 })),
});
const ScheduleRef = Type.Object({ service: name, queue: name, schedule: name });
const Schedule = Type.Object({
  service: Type.String(),
  queue: Type.String(),
  schedule: Type.String(),
  cron: Type.String(),
  timeZone: Type.String(),
  overlap: Type.String(),
  catchUp: Type.String(),
  /** Absent while it is paused. */
  nextAt: Type.Optional(Type.String()),
  pausedBy: Type.Optional(Type.String()),
  pausedAt: Type.Optional(Type.String()),
  lastDueAt: Type.Optional(Type.String()),
  lastJob: Type.Optional(Type.String()),
  /** The last time no job was created because `skippedFor` had not ended. */
  lastSkippedAt: Type.Optional(Type.String()),
  skippedFor: Type.Optional(Type.String()),
});
const Schedules = Type.Object({ schedules: Type.Array(Schedule), nextCursor: Type.Optional(Type.String()) });
const Acted = Type.Object({ id: Type.String(), service: Type.String(), queue: Type.String(), state: JobState });

/** `trellis.jobs@v1`: the jobs of every service, for the people who run them. */
export const jobs = defineServiceContract(
  {
    schemas: {
      Nothing,
      Health,
      ListServicesInput,
      Services,
      ListInput,
      ListDLQInput,
      List,
      Job,
      WatchInput,
      Ref,
      Action,
      Details,
      Acted,
      ListSchedulesInput,
      Schedules,
      ScheduleRef,
      Schedule,
    },
    errors: { NotFound, Refused },
  },
  (ref) => {
    const capabilities = { call: ["admin"] };
    const errors = [ref.error("NotFound"), ref.error("Refused")];
    const act = (summary: string) => ({
      version: "v1",
      input: ref.schema("Action"),
      output: ref.schema("Acted"),
      errors,
      capabilities,
      docs: { summary },
    });
    const schedule = <Output extends "Schedule" | "Acted">(output: Output, summary: string) => ({
      version: "v1",
      input: ref.schema("ScheduleRef"),
      output: ref.schema(output),
      errors,
      capabilities,
      docs: { summary },
    });
    return {
      id: "trellis.jobs@v1",
      displayName: "Trellis jobs",
      description: "The jobs of every service: what waits, what runs, what failed, and doing something about it.",
      feeds: {
        "Jobs.Watch": {
          version: "v1",
          input: ref.schema("WatchInput"),
          event: ref.schema("Job"),
          capabilities: { subscribe: ["admin"] },
          docs: { summary: "Every change of a job; for a slow reader what each job is now." },
        },
      },
      rpc: {
        "Jobs.Health": {
          version: "v1",
          input: ref.schema("Nothing"),
          output: ref.schema("Health"),
          capabilities,
          docs: { summary: "How far the lists of jobs are behind the jobs." },
        },
        "Jobs.ListServices": {
          version: "v1",
          input: ref.schema("ListServicesInput"),
          output: ref.schema("Services"),
          capabilities,
          docs: { summary: "Queues: how many jobs are in which state, and who works on them." },
        },
        "Jobs.ListSchedules": {
          version: "v1",
          input: ref.schema("ListSchedulesInput"),
          output: ref.schema("Schedules"),
          capabilities,
          docs: { summary: "Schedules, and when they are due." },
        },
        "Jobs.PauseSchedule": schedule("Schedule", "Creates no jobs until it is resumed."),
        "Jobs.ResumeSchedule": schedule("Schedule", "Goes on from now; what was due meanwhile is left out."),
        "Jobs.RunSchedule": schedule("Acted", "Creates a job now, as if the schedule were due."),
        "Jobs.List": {
          version: "v1",
          input: ref.schema("ListInput"),
          output: ref.schema("List"),
          capabilities,
          docs: { summary: "Jobs, newest first." },
        },
        "Jobs.Get": {
          version: "v1",
          input: ref.schema("Ref"),
          output: ref.schema("Details"),
          errors,
          capabilities,
          docs: { summary: "One job with its history and log." },
        },
        "Jobs.Retry": act("Runs a failed job again."),
        "Jobs.Cancel": act("Ends a job that has not ended; a running handler's signal aborts."),
        "Jobs.ListDLQ": {
          version: "v1",
          input: ref.schema("ListDLQInput"),
          output: ref.schema("List"),
          capabilities,
          docs: { summary: "Dead letters: jobs whose attempts are used up." },
        },
        "Jobs.ReplayDLQ": act("Runs a dead job again, with all its attempts."),
        "Jobs.DismissDLQ": act("Puts a dead job away for good."),
      },
    };
  },
);
