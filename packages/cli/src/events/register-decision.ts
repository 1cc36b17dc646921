import type { CommandContext, RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { type Operator, withOperator } from "../platform-client/connect-operator.ts";
import { allGroups } from "../platform-client/whole-lists.ts";

const DECISIONS = {
  replay: { description: "deliver dead letters again, to their group only", done: "delivered again" },
  drop: { description: "delete dead letters for good", done: "deleted" },
} as const;

/** `trellis events replay | drop`: what becomes of dead letters, by id or of a whole group. */
export function registerDecision(
  events: Parameters<RegisterCommand>[0],
  context: CommandContext,
  decision: keyof typeof DECISIONS,
): void {
  const { terminal } = context;
  const { description, done } = DECISIONS[decision];
  events
    .command(decision)
    .description(description)
    .argument("[ids...]", "from trellis events dead-letters")
    .option("--all <service.group>", "all of a group")
    .example(`trellis events ${decision} shipping.parcels.1042`)
    .action((ids: readonly string[], options: { all?: string }) =>
      withOperator(context, async (operator) => {
        const selection = selectionOf(decision, ids, options.all);
        const act =
          decision === "replay"
            ? operator.rpc.trellis.eventsDeadLettersReplay
            : operator.rpc.trellis.eventsDeadLettersDrop;
        let total = 0;
        let through: number | undefined;
        for (let more = true; more;) {
          const part = through === undefined ? selection : { ...selection, through };
          const answer = await answerOf(act(part, { timeoutMs: 60_000 }));
          total += answer.count;
          ({ more, through } = answer);
        }
        if (total === 0 && selection.group !== undefined) await requireGroup(operator, selection);
        terminal.answer({ count: total }, () => terminal.print(`${done}: ${total}`));
      }),
    );
}

/** None was there: of a group that exists, or of a name that was mistyped? */
async function requireGroup(
  operator: Operator,
  { deployment, group }: { readonly deployment: string; readonly group: string },
): Promise<void> {
  const groups = await allGroups(operator, deployment);
  if (groups.some((each) => each.group === group)) return;
  throw new CliFailure({
    code: "not_found",
    what: `There is no consumer group ${group} of ${deployment}.`,
    next: ["trellis events lag lists them"],
    exitCode: EXIT.notFound,
  });
}

function selectionOf(decision: string, ids: readonly string[], all: string | undefined) {
  if (all === undefined) {
    if (ids.length > 0) return { ids: [...ids] };
    throw new CliFailure({
      what: `Nothing was named to ${decision}.`,
      next: [`trellis events ${decision} <id>, or --all <service>.<group>`],
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
  const [deployment = "", group = "", ...rest] = all.split(".");
  if (group === "" || rest.length > 0) {
    throw new CliFailure({
      what: `"${all}" does not name a group.`,
      next: ["write it as <service>.<group>, such as shipping.parcels"],
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
  return { deployment, group };
}
