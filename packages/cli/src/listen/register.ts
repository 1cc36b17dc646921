import type { ListenProblem, LiveEvent } from "@trellis/client";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { wholeNumber } from "../whole-number.ts";

interface ListenCommandOptions {
  readonly contract?: string;
  readonly where: { readonly [name: string]: string };
  readonly limit?: number;
}

/** `trellis listen`: hears one event live as the signed-in person until Ctrl-C, through a contract that names just that event. */
export const registerListen: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<event>", "logical name, such as Orders.Placed")
    .option("--where <key=value>", "only events with this value of a parameter; may be given again", condition, {})
    .option("--contract <id>", "when several contracts have the name")
    .option("--limit <events>", "stop after so many events", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example("trellis listen Orders.Placed --where status=express")
    .action(async (name: string, options: ListenCommandOptions) => {
      const [{ findSurface }, { contractFor }, { withClient }, { asFailure }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
        import("../platform-client/as-failure.ts"),
      ]);
      const owner = await withOperator(context, (operator) => findSurface(operator, "events", name, options.contract));
      const { where, limit = Number.POSITIVE_INFINITY } = options;
      refuseUnknown(name, owner.events?.[name]?.params ?? [], where);
      await withClient(context, contractFor("events", owner, name), async (client) => {
        const listening = client.listen(name, {
          where,
          signal: context.signal,
          onProblem: (problem) => terminal.note(inWords(name, problem)),
        });
        try {
          await listening.ready;
          terminal.note(`Listening to ${name} of ${owner.id}; what is published from now on appears here.`);
          let heard = 0;
          for await (const event of listening) {
            print(context, event);
            heard += 1;
            if (heard >= limit) return;
          }
        } catch (error) {
          throw error instanceof Error ? asFailure(error) : error;
        }
      });
    });
};

function print({ terminal }: CommandContext, { event, id, at, subject }: LiveEvent): void {
  if (terminal.json) return terminal.print(JSON.stringify({ event, id, at: at.toISOString(), subject }));
  const { dim } = terminal.colors;
  terminal.print(`${dim(at.toISOString())}  ${JSON.stringify(event)}  ${dim(id)}`);
}

function inWords(name: string, problem: ListenProblem): string {
  switch (problem.kind) {
    case "invalid":
      return `Something under ${problem.subject} is not ${name}: ${problem.issues[0]?.message ?? "it does not match the contract"}.`;
    case "slow":
      return `${problem.dropped} events came faster than they could be printed and are left out.`;
    case "interrupted":
      return "The connection was away for a while; what was published meanwhile is not shown.";
  }
}

/** `status=express`, added to those before it. */
function condition(text: string, before: ListenCommandOptions["where"]): ListenCommandOptions["where"] {
  const at = text.indexOf("=");
  if (at < 1) throw usage(`"${text}" is no condition`, "write it as key=value, such as status=express");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function refuseUnknown(name: string, params: readonly string[], where: ListenCommandOptions["where"]): void {
  const known = params.map((pointer) => pointer.slice(1));
  const unknown = Object.keys(where).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const next = known.length === 0 ? `leave --where out: ${name} has no parameters` : `it has ${known.join(", ")}`;
  throw usage(`${name} cannot be filtered by ${unknown}`, next);
}

function usage(what: string, next: string): CliFailure {
  return new CliFailure({ code: "usage", what, next: [next], exitCode: EXIT.usage });
}
