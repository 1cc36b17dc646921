import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";

/** `trellis sessions`, `trellis why` and `trellis audit`: who is in, why they may, and who decided it. */
export const registerAccess: RegisterCommand = (program, context) => {
  const { terminal } = context;
  const sessions = program.command("sessions").description("Sessions and connections: see them, end them.");

  sessions
    .command("list", { isDefault: true })
    .description("every session, whose it is and what contract it runs")
    .option("--cursor <cursor>", "go on where the last page ended")
    .addHelpText("after", "\nExample:\n  trellis sessions list")
    .action((options: { cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.auth.sessionsList({ limit: 100, ...options }));
        terminal.answer(page, () => {
          terminal.table(
            ["SESSION", "WHO", "CONTRACT", "CONNECTIONS", "LAST SEEN"],
            page.sessions.map((each) => [
              each.sessionKey,
              `${each.principal.name} (${each.principal.type})`,
              each.contractId,
              String(each.connections),
              each.lastSeenAt,
            ]),
            "Nobody is connected.",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis sessions list --cursor ${page.nextCursor}`);
        });
      }),
    );

  sessions
    .command("revoke")
    .description("end a session everywhere, at once")
    .argument("<session>", "its key")
    .addHelpText("after", "\nExample:\n  trellis sessions revoke A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
    .action((sessionKey: string) =>
      withOperator(context, async (operator) => {
        const done = await answerOf(operator.rpc.auth.sessionsRevoke({ sessionKey }));
        terminal.answer(done, () => terminal.print(`the session ${sessionKey} is refused everywhere from now on`));
      }),
    );

  sessions
    .command("connections")
    .description("live connections of the platform")
    .option("--session <key>", "only of this session")
    .addHelpText("after", "\nExample:\n  trellis sessions connections")
    .action((options: { session?: string }) =>
      withOperator(context, async (operator) => {
        const { connections } = await answerOf(
          operator.rpc.auth.connectionsList(options.session === undefined ? {} : { sessionKey: options.session }),
        );
        terminal.answer(connections, () =>
          terminal.table(
            ["CONNECTION", "WHO", "SESSION", "SINCE"],
            connections.map((each) => [each.id, each.principal, each.sessionKey, each.openedAt]),
            "No connections.",
          ),
        );
      }),
    );

  sessions
    .command("kick")
    .description("cut a connection; it may come back if it is still allowed to")
    .argument("<connection>", "its id, from sessions connections")
    .addHelpText("after", "\nExample:\n  trellis sessions kick NABC…:42")
    .action((id: string) =>
      withOperator(context, async (operator) => {
        const { kicked } = await answerOf(operator.rpc.auth.connectionsKick({ id }));
        terminal.answer({ kicked }, () => terminal.print(kicked === 1 ? "cut 1 connection" : `cut ${kicked} connections`));
      }),
    );

  program
    .command("why")
    .description("why a session may, or may not, use a subject")
    .argument("<session>", "session key, or name of a service")
    .argument("<subject>", "a NATS subject")
    .addHelpText("after", "\nExample:\n  trellis why orders rpc.v1.Orders.Get")
    .action((session: string, subject: string) =>
      withOperator(context, async (operator) => {
        const answer = await answerOf(operator.rpc.auth.explain({ session, subject }));
        terminal.answer(answer, () => {
          terminal.print(answer.message);
          for (const rule of answer.rules) {
            const queue = rule.queue === undefined ? "" : ` (queue ${rule.queue})`;
            terminal.print(`  ${rule.direction} ${rule.subject}${queue}: ${rule.reason}`);
          }
        });
        if (!answer.publish && !answer.subscribe) context.setExitCode(EXIT.no);
      }),
    );

  program
    .command("audit")
    .description("who decided what, newest first")
    .option("--actor <name>", "only by this person or service")
    .option("--action <action>", "only of this kind, such as authority.accepted")
    .option("--target <name>", "only about this")
    .option("--limit <count>", "how many", "50")
    .option("--cursor <cursor>", "go on where the last page ended")
    .addHelpText("after", "\nExample:\n  trellis audit --target orders")
    .action((options: { actor?: string; action?: string; target?: string; limit: string; cursor?: string }) =>
      withOperator(context, async (operator) => {
        const { limit, ...filters } = options;
        const page = await answerOf(operator.rpc.auth.auditList({ ...filters, limit: Number(limit) }));
        terminal.answer(page, () => {
          terminal.table(
            ["WHEN", "WHO", "WHAT", "TARGET"],
            page.records.map((record) => [record.at, record.actor, record.action, record.target]),
            "Nothing was decided yet.",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis audit --cursor ${page.nextCursor}`);
        });
      }),
    );
};
