import type { CliCommand } from "../cli-command.ts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { everyPage } from "../platform-client/every-page.ts";
import { printTable } from "../table.ts";

/** Longer than ending some hundred entries takes on a busy machine. */
const PURGE_MS = 60_000;

/** What operators do with the state of others: they look, and end it. */
export function registerOthersState(state: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  state
    .command("inspect")
    .description("for operators: what is remembered for a user, as it is stored")
    .argument("<user>", "name or id")
    .argument("[contract]", "its name without a version")
    .argument("[store]")
    .argument("[prefix]", "the keys begin with it")
    .example("trellis state inspect ada notes notes")
    .action((user: string, contract: string | undefined, store: string | undefined, prefix: string | undefined) =>
      withOperator(context, async (operator) => {
        if (contract === undefined || store === undefined) {
          const overview = await answerOf(operator.rpc.state.adminOverview({ user }));
          const stores = overview.stores.filter((each) => contract === undefined || each.contract === contract);
          terminal.answer(stores, () =>
            printTable(
              terminal,
              ["CONTRACT", "STORE", "KIND", "ENTRIES"],
              stores.map((each) => [each.contract, each.store, each.kind, String(each.entries)]),
              `Nothing is remembered for ${user}.`,
            ),
          );
          return;
        }
        const place = { user, contract, store, ...(prefix === undefined ? {} : { prefix }) };
        const entries = await everyPage(async (from) => {
          const page = await answerOf(operator.rpc.state.adminList({ ...place, ...from }));
          return { items: page.entries, nextCursor: page.nextCursor };
        });
        terminal.answer(entries, () =>
          printTable(
            terminal,
            ["KEY", "VERSION", "REVISION", "STORED", "VALUE"],
            entries.map(({ key = "", stateVersion, revision, at, value }) => [
              key,
              stateVersion,
              String(revision),
              at,
              JSON.stringify(value).slice(0, 100),
            ]),
            `Nothing is remembered there. trellis state inspect ${user} lists what is.`,
          ),
        );
      }),
    );

  state
    .command("purge")
    .description("for operators: end what is remembered for a user, on all devices; audited")
    .argument("<user>", "name or id")
    .argument("[contract]", "only of this one")
    .option("--acknowledge", "I know that it cannot be brought back")
    .example("trellis state purge ada notes --acknowledge")
    .action((user: string, contract: string | undefined, options: { acknowledge?: true }) =>
      withOperator(context, async (operator) => {
        const what = { user, ...(contract === undefined ? {} : { contract }) };
        if (options.acknowledge !== true) {
          const { stores } = await answerOf(operator.rpc.state.adminOverview({ user }));
          const concerned = stores.filter((each) => contract === undefined || each.contract === contract);
          const entries = concerned.reduce((sum, each) => sum + each.entries, 0);
          throw new CliFailure({
            code: "acknowledge_required",
            what: `this ends ${entries} entries of ${user} for good, on all their devices`,
            why: ["it is recorded under your name: trellis audit"],
            next: [`if that is what you want: trellis state purge ${Object.values(what).join(" ")} --acknowledge`],
            exitCode: EXIT.refused,
          });
        }
        let deleted = 0;
        for (let more = true; more;) {
          const purge = operator.rpc.state.adminPurge({ ...what, acknowledge: true }, { timeoutMs: PURGE_MS });
          const purged = await answerOf(purge);
          deleted += purged.deleted;
          more = purged.more;
        }
        terminal.answer({ deleted }, () => terminal.print(`ended ${deleted} entries of ${user}`));
      }),
    );
}
