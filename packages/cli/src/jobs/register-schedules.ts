import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
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
      .requiredOption("--service <name>", "whose it is")
      .requiredOption("--queue <name>", "the queue it fills")
      .example(`trellis jobs schedules ${name} nightly --service mailer --queue letters`)
      .action((schedule: string, where: Named) =>
        withOperator(context, async (operator) => {
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
