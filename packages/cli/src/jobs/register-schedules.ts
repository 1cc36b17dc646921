import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { type Operator, withOperator } from "../platform-client/connect-operator.ts";
import { everyPage } from "../platform-client/every-page.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";

interface Named {
  readonly service: string;
  readonly queue: string;
}

/** `trellis jobs schedules`: what creates jobs by the clock. */
export const registerSchedules: RegisterCommand = (schedules, context) => {
  const { terminal } = context;

  schedules
    .command("list", { isDefault: true })
    .description("schedules of all services, and when they are due")
    .option("--service <name>", "only of this service")
    .option("--queue <name>", "only of this queue")
    .option("--limit <count>", "how many", wholeNumber(1, 1_000), 100)
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis jobs schedules --service mailer")
    .action((options: Partial<Named> & { limit: number; cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.jobs.listSchedules(options));
        if (page.schedules.length === 0) await requireDeployment(operator, options.service);
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["SERVICE", "QUEUE", "SCHEDULE", "TIMES", "ZONE", "NEXT", "LAST"],
            page.schedules.map((each) => [
              each.service,
              each.queue,
              each.schedule,
              each.cron,
              each.timeZone,
              each.nextAt ?? (each.pausedBy === undefined ? "never" : `paused by ${each.pausedBy}`),
              each.lastJob ?? "",
            ]),
            "No schedules. A queue of a contract has them: schedules: { nightly: { cron, payload } }.",
          );
          if (page.nextCursor !== undefined)
            terminal.note(`more: trellis jobs schedules list --cursor ${page.nextCursor}`);
        });
      }),
    );

  const ACTIONS = [
    {
      name: "pause",
      call: "pauseSchedule",
      says: "create no jobs until it is resumed; what is due meanwhile is left out",
    },
    { name: "resume", call: "resumeSchedule", says: "go on with a paused schedule, from now on" },
    { name: "run", call: "runSchedule", says: "create a job now, as if it were due" },
  ] as const;
  for (const { name, call, says } of ACTIONS) {
    schedules
      .command(name)
      .description(says)
      .argument("<schedule>", "its name")
      .option("--service <name>", "when several services have one of this name")
      .option("--queue <name>", "when several queues have")
      .example(`trellis jobs schedules ${name} nightly --service mailer --queue letters`)
      .action((schedule: string, written: Partial<Named>) =>
        withOperator(context, async (operator) => {
          const where = await findSchedule(operator, schedule, written);
          if (call === "runSchedule") {
            const created = await answerOf(operator.rpc.jobs.runSchedule({ schedule, ...where }));
            terminal.answer(created, () => terminal.print(`created the job ${created.id}`));
            return;
          }
          const changed = await answerOf(operator.rpc.jobs[call]({ schedule, ...where }));
          terminal.answer(changed, () =>
            terminal.print(
              changed.nextAt === undefined ? `${schedule} is paused` : `${schedule} is due next at ${changed.nextAt}`,
            ),
          );
        }),
      );
  }
};

/** Whose schedule is meant: as it was said, or the only one of the name. */
async function findSchedule(operator: Operator, schedule: string, written: Partial<Named>): Promise<Named> {
  const { service, queue } = written;
  if (service !== undefined && queue !== undefined) return { service, queue };
  const all = await everyPage(async (from) => {
    const page = await answerOf(operator.rpc.jobs.listSchedules({ ...written, ...from }));
    return { items: page.schedules, nextCursor: page.nextCursor };
  });
  const [found, another] = all.filter((each) => each.schedule === schedule);
  if (found === undefined) {
    throw new CliFailure({
      code: "not_found",
      what: `There is no schedule ${schedule}.`,
      next: ["trellis jobs schedules lists them"],
      exitCode: EXIT.notFound,
    });
  }
  if (another === undefined) return { service: found.service, queue: found.queue };
  throw new CliFailure({
    code: "ambiguous",
    what: `more than one queue has a schedule ${schedule}`,
    why: all.filter((each) => each.schedule === schedule).map((each) => `${each.queue} of ${each.service}`),
    next: [`say which: --service ${found.service} --queue ${found.queue}`],
    exitCode: EXIT.usage,
  });
}
