import { InvalidArgumentError } from "commander";
import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { briefly } from "../quantities.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";
import { printJob } from "./job-text.ts";
import { registerLive } from "./register-live.ts";
import { registerSchedules } from "./register-schedules.ts";

interface Where {
  readonly service?: string;
  readonly queue?: string;
}

const STATES = [
  "pending",
  "active",
  "retry",
  "completed",
  "failed",
  "cancelled",
  "expired",
  "dead",
  "dismissed",
] as const;
type State = (typeof STATES)[number];

function stateOf(written: string): State {
  const state = STATES.find((each) => each === written);
  if (state === undefined) throw new InvalidArgumentError(`A job is ${STATES.join(", ")}.`);
  return state;
}

/** `trellis jobs`: what services have to do, what became of it, and doing something about it. */
export const registerJobs: RegisterCommand = (jobs, context) => {
  const { terminal } = context;

  jobs
    .command("list", { isDefault: true })
    .description("jobs of all services, newest first")
    .option("--service <name>", "only of this service")
    .option("--queue <name>", "only of this queue")
    .option("--group <group>", "only of this group")
    .option("--schedule <name>", "only of this schedule")
    .option("--state <state>", `only in this state: ${STATES.join(", ")}`, stateOf)
    .option("--limit <count>", "how many", wholeNumber(1, 1_000), 50)
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis jobs list --service mailer --state dead")
    .action((options: Where & { group?: string; schedule?: string; state?: State; limit: number; cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.jobs.list(options));
        if (page.jobs.length === 0) await requireDeployment(operator, options.service);
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["JOB", "SERVICE", "QUEUE", "STATE", "RUNS", "CREATED", "WHY"],
            page.jobs.map((job) => [
              job.id,
              job.service,
              job.queue,
              job.state,
              String(job.attempt),
              job.createdAt,
              job.problem === undefined ? "" : briefly(job.problem.message),
            ]),
            "No jobs here.",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis jobs list --cursor ${page.nextCursor}`);
        });
      }),
    );

  jobs
    .command("show")
    .description("one job: its payload, result, history and log")
    .argument("<job>", "its id")
    .option("--service <name>", "when several services have a job of this id")
    .option("--queue <name>", "when several queues have")
    .example("trellis jobs show 01K8A2M7T0V4E9R5W3Y6H1D8SB")
    .action((id: string, where: Where) =>
      withOperator(context, async (operator) => {
        const details = await answerOf(operator.rpc.jobs.get({ id, ...where }));
        terminal.answer(details, () => printJob(terminal, details));
      }),
    );

  registerLive(jobs, context);
  registerSchedules(
    jobs.command("schedules").description("what creates jobs by the clock: list, pause, resume, run now"),
    context,
  );

  const ACTIONS = [
    {
      name: "cancel",
      call: "cancel",
      says: "end a job that has not ended; a running handler's signal aborts",
      done: "is cancelled",
    },
    { name: "retry", call: "retry", says: "run a failed job again", done: "runs again" },
    { name: "replay", call: "replayDLQ", says: "run a dead job again, with all its attempts", done: "runs again" },
    { name: "dismiss", call: "dismissDLQ", says: "put a dead job away for good", done: "is dismissed" },
  ] as const;
  for (const { name, call, says, done } of ACTIONS) {
    jobs
      .command(name)
      .description(says)
      .argument("<job>", "its id")
      .option("--service <name>", "when several services have a job of this id")
      .option("--queue <name>", "when several queues have")
      .option("--reason <text>", "why, for whoever reads its history")
      .example(`trellis jobs ${name} 01K8A2M7T0V4E9R5W3Y6H1D8SB`)
      .action((id: string, options: Where & { reason?: string }) =>
        withOperator(context, async (operator) => {
          const acted = await answerOf(operator.rpc.jobs[call]({ id, ...options }));
          terminal.answer(acted, () => terminal.print(`the job ${id} of ${acted.service} ${acted.queue} ${done}`));
        }),
      );
  }
};
