import { Option } from "commander";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { type Operator, withOperator } from "../platform-client/connect-operator.ts";
import { everyPage } from "../platform-client/every-page.ts";
import { ageText, byteText } from "../quantities.ts";
import { printTable } from "../table.ts";

const KINDS = ["kv", "store", "eventConsumer", "jobs", "operations", "operationsWork", "operationsConsumer"] as const;
type Kind = (typeof KINDS)[number];

/** What the platform keeps for services, and deleting what none of them uses any more. */
export function registerResources(svc: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  svc
    .command("resources")
    .description("buckets, object stores and consumers: what they hold, and which nobody uses any more")
    .argument("[name]", "only of this service, removed or not")
    .option("--released", "only what no accepted contract names any more")
    .example("trellis svc resources orders --released")
    .action((name: string | undefined, options: { released?: true }) =>
      withOperator(context, async (operator) => {
        const found = await listResources(operator, {
          ...(name === undefined ? {} : { deployment: name }),
          ...(options.released ? { state: "released" as const } : {}),
        });
        terminal.answer(found, () => {
          printTable(
            terminal,
            ["SERVICE", "ALIAS", "KIND", "STATE", "SIZE", "ENTRIES", "COPIES", "AGE", "CHANGED"],
            found.map((each) => [
              each.deployment,
              each.alias,
              each.kind,
              each.state === "used" ? each.state : terminal.colors.yellow(each.state),
              byteText(each.bytes),
              String(each.entries),
              String(each.replicas),
              ageText(each.createdAt),
              each.changedAt === undefined ? "never" : `${ageText(each.changedAt)} ago`,
            ]),
            options.released
              ? "Nothing is released: everything there is, is in use."
              : `Nothing is kept for ${name ?? "services"}.`,
          );
          const released = found.find(({ state }) => state === "released");
          if (released !== undefined)
            terminal.note(`released data stays until: trellis svc purge ${released.deployment} ${released.alias}`);
        });
      }),
    );

  svc
    .command("purge")
    .description("delete released data for good: a bucket, a store, a consumer")
    .argument("<name>", "the service, removed or not")
    .argument("<alias>", "what its contract called it")
    .option("--acknowledge <physical>", "its name on NATS, which the refusal without this tells")
    .addOption(new Option("--kind <kind>", "when the alias names two").choices(KINDS))
    .example("trellis svc purge orders drafts --acknowledge orders_drafts")
    .action((name: string, alias: string, options: { acknowledge?: string; kind?: Kind }) =>
      withOperator(context, async (operator) => {
        const { acknowledge = "", kind } = options;
        const purged = await answerOf(
          operator.rpc.trellis.resourcesPurge({
            deployment: name,
            alias,
            acknowledge,
            ...(kind === undefined ? {} : { kind }),
          }),
        );
        terminal.answer(purged, () =>
          terminal.print(
            purged.done
              ? `deleted ${purged.physical} with everything in it`
              : `${purged.physical} is going to be deleted: it is recorded, and done as soon as JetStream answers`,
          ),
        );
      }),
    );
}

/** All resources that match. */
export function listResources(
  operator: Operator,
  filter: { readonly deployment?: string; readonly kind?: Kind; readonly state?: "used" | "released" },
) {
  return everyPage(async (cursor) => {
    const { resources, nextCursor } = await answerOf(operator.rpc.trellis.resourcesList({ ...filter, ...cursor }));
    return { items: resources, nextCursor };
  });
}
