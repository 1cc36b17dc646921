import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";

/** `trellis audit`: every decision, newest first. */
export const registerAudit: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .option("--actor <name>", "only by this person or service")
    .option("--action <action>", "only of this kind, such as plan.accept")
    .option("--target <name>", "only about this")
    .option("--limit <count>", "how many", wholeNumber(1, 500), 50)
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis audit --target orders")
    .action((options: { actor?: string; action?: string; target?: string; limit: number; cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.auth.auditList(options));
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["WHEN", "WHO", "WHAT", "TARGET"],
            page.records.map((record) => [record.at, record.actor, record.action, record.target]),
            isFiltered(options) ? "Nothing that was decided fits." : "Nothing was decided yet.",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis audit --cursor ${page.nextCursor}`);
        });
      }),
    );
};

function isFiltered({ actor, action, target }: { actor?: string; action?: string; target?: string }): boolean {
  return [actor, action, target].some((each) => each !== undefined);
}
