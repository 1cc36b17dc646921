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
  deadlineAt: Type.Optional(Type.String()),
  /** A job that waits for its next attempt: when it may begin. */
  notBefore: Type.Optional(Type.String()),
  problem: Type.Optional(Problem),
});
const ListInput = Type.Object({ ...Where, state: Type.Optional(JobState), ...Page });
const ListDLQInput = Type.Object({ ...Where, ...Page });
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
const Acted = Type.Object({ id: Type.String(), service: Type.String(), queue: Type.String(), state: JobState });

/** `trellis.jobs@v1`: the jobs of every service, for the people who run them. */
export const jobs = defineServiceContract(
  { schemas: { ListInput, ListDLQInput, List, Ref, Action, Details, Acted }, errors: { NotFound, Refused } },
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
    return {
      id: "trellis.jobs@v1",
      displayName: "Trellis jobs",
      description: "The jobs of every service: what waits, what runs, what failed, and doing something about it.",
      rpc: {
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
