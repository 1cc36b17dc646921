import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { allConnections } from "../platform-client/whole-lists.ts";
import { publicKey } from "../public-key.ts";
import { printTable } from "../table.ts";

/** `trellis sessions`: who is in, and ending it. */
export const registerSessions: RegisterCommand = (sessions, context) => {
  const { terminal } = context;

  sessions
    .command("list", { isDefault: true })
    .description("every session, whose it is and what contract it runs")
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis sessions list")
    .action((options: { cursor?: string }) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.auth.sessionsList({ limit: 100, ...options }));
        terminal.answer(page, () => {
          printTable(
            terminal,
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
    .argument("<session>", "its key, from trellis sessions", publicKey)
    .example("trellis sessions revoke A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
    .action((sessionKey: string) =>
      withOperator(context, async (operator) => {
        const done = await answerOf(operator.rpc.auth.sessionsRevoke({ sessionKey }));
        terminal.answer(done, () => terminal.print(`the session ${sessionKey} is refused everywhere from now on`));
      }),
    );

  sessions
    .command("connections")
    .description("live connections of the platform")
    .option("--session <key>", "only of this session", publicKey)
    .example("trellis sessions connections")
    .action((options: { session?: string }) =>
      withOperator(context, async (operator) => {
        const connections = await allConnections(operator, options.session);
        terminal.answer(connections, () =>
          printTable(
            terminal,
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
    .example("trellis sessions kick NABC…:42")
    .action((id: string) =>
      withOperator(context, async (operator) => {
        const { kicked } = await answerOf(operator.rpc.auth.connectionsKick({ id }));
        terminal.answer({ kicked }, () =>
          terminal.print(kicked === 1 ? "cut 1 connection" : `cut ${kicked} connections`),
        );
      }),
    );
};
