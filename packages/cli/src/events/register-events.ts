import type { CommandContext, RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { allGroups } from "../platform-client/whole-lists.ts";
import { timeText } from "../quantities.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";
import { registerDecision } from "./register-decision.ts";

/** `trellis events`: consumer groups, how far behind they are, and the events they gave up. */
export const registerEvents: RegisterCommand = (events, context) => {
  const { terminal } = context;

  events
    .command("lag", { isDefault: true })
    .description("every consumer group and how far behind it is")
    .argument("[service]", "only of this deployment")
    .example("trellis events lag")
    .action((deployment: string | undefined) =>
      withOperator(context, async (operator) => {
        const groups = await allGroups(operator, deployment);
        if (groups.length === 0) await requireDeployment(operator, deployment);
        terminal.answer(groups, () =>
          printTable(
            terminal,
            ["SERVICE", "GROUP", "WAITING", "IN HAND", "AGAIN", "DEAD", "LAST", "STATE"],
            groups.map((each) => [
              each.deployment,
              each.group,
              String(each.pending),
              String(each.inFlight),
              String(each.redelivered),
              String(each.deadLetters),
              each.lastDelivered === undefined ? "-" : timeText(each.lastDelivered),
              each.pausedUntil === undefined ? "runs" : "paused",
            ]),
            deployment === undefined ? "No service has a consumer group." : `${deployment} has no consumer group.`,
          ),
        );
      }),
    );

  events
    .command("pause")
    .description("deliver nothing to a group until it is resumed; what it has in hand it finishes")
    .argument("<service>")
    .argument("<group>")
    .option("--minutes <count>", "go on by itself after this", wholeNumber(1, 525_600))
    .example("trellis events pause shipping parcels")
    .action((deployment: string, group: string, { minutes }: { minutes?: number }) =>
      withOperator(context, async (operator) => {
        const forMs = minutes === undefined ? {} : { forMs: minutes * 60_000 };
        const paused = await answerOf(operator.rpc.trellis.eventsGroupsPause({ deployment, group, ...forMs }));
        terminal.answer(paused, () => {
          terminal.print(
            `${group} of ${deployment} is paused${minutes === undefined ? "" : ` for ${minutes} min`}; ${paused.pending} events wait`,
          );
          terminal.print(`next: trellis events resume ${deployment} ${group}`);
        });
      }),
    );

  events
    .command("resume")
    .description("deliver to a paused group again")
    .argument("<service>")
    .argument("<group>")
    .example("trellis events resume shipping parcels")
    .action((deployment: string, group: string) =>
      withOperator(context, async (operator) => {
        const resumed = await answerOf(operator.rpc.trellis.eventsGroupsResume({ deployment, group }));
        terminal.answer(resumed, () =>
          terminal.print(`${group} of ${deployment} goes on; ${resumed.pending} events wait`),
        );
      }),
    );

  registerDeadLetters(events, context);
  registerDecision(events, context, "replay");
  registerDecision(events, context, "drop");
};

function registerDeadLetters(events: Parameters<RegisterCommand>[0], context: CommandContext): void {
  const { terminal } = context;
  const letters = events.command("dead-letters").description("events that consumer groups gave up");
  letters
    .command("list", { isDefault: true })
    .description("oldest first")
    .option("--service <name>", "only of this deployment")
    .option("--group <name>", "only of this group")
    .option("--limit <count>", "how many", wholeNumber(1, 500), 50)
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis events dead-letters list --service shipping")
    .action((options: { service?: string; group?: string; limit: number; cursor?: string }) =>
      withOperator(context, async (operator) => {
        const { service, ...rest } = options;
        const page = await answerOf(
          operator.rpc.trellis.eventsDeadLettersList({
            ...rest,
            ...(service === undefined ? {} : { deployment: service }),
          }),
        );
        if (page.deadLetters.length === 0) await requireDeployment(operator, service);
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["ID", "EVENT", "DIED", "TRIES", "WHY"],
            page.deadLetters.map((each) => [
              each.id,
              each.subject,
              timeText(each.diedAt),
              String(each.attempts),
              each.reason,
            ]),
            "No dead letters.",
          );
          if (page.nextCursor !== undefined)
            terminal.note(`more: trellis events dead-letters list --cursor ${page.nextCursor}`);
          if (page.deadLetters.length > 0)
            terminal.note("next: trellis events dead-letters show <id>, then trellis events replay <id> or drop <id>");
        });
      }),
    );
  letters
    .command("show")
    .description("one of them with its payload")
    .argument("<id>")
    .example("trellis events dead-letters show shipping.parcels.1042")
    .action((id: string) =>
      withOperator(context, async (operator) => {
        const letter = await answerOf(operator.rpc.trellis.eventsDeadLettersGet({ id }));
        terminal.answer(letter, () => {
          const { payload, ...facts } = letter;
          for (const [name, value] of Object.entries(facts)) terminal.print(`${name.padEnd(12)} ${value}`);
          terminal.print("");
          terminal.print(payload);
        });
      }),
    );
}
