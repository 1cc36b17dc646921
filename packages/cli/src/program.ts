import { CliCommand } from "./cli-command.ts";
import type { CommandContext } from "./command.ts";

/** Loads everything: for help pages, the reference and completion. */
export const EVERY_COMMAND = Symbol("every command");

/** The program with the named command filled in; the others are there by name, for help and "did you mean". */
export async function createProgram(
  context: CommandContext,
  wanted: string | undefined | typeof EVERY_COMMAND,
): Promise<CliCommand> {
  const program = new CliCommand("trellis")
    .description("Run and operate distributed services by contract.")
    .version(context.version, "-v, --version", "print the version")
    .option("--json", "print JSON for programs")
    .example("trellis init orders && cd orders && trellis up")
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.print(text.trimEnd()),
      writeErr: (text) => context.terminal.note(text.trimEnd()),
      // A mistake is told once, by us, in our own way.
      outputError: () => undefined,
    });
  for (const { name, summary, hidden = false, load } of context.commands) {
    const command = program.command(name, { hidden }).description(summary);
    if (wanted === EVERY_COMMAND || wanted === name) (await load())(command, context);
    for (const each of everyCommand(command)) each.option("--json", "print JSON for programs");
  }
  return program;
}

/** A command and everything below it. */
function everyCommand(command: CliCommand): readonly CliCommand[] {
  return [command, ...command.subcommands.flatMap(everyCommand)];
}
