import { Command, CommanderError } from "commander";
import type { CommandContext, RegisterCommand } from "./command.ts";
import { EXIT } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";
import { Terminal, type TerminalStreams } from "./terminal.ts";

export interface CliInput extends TerminalStreams {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly version: string;
  readonly commands: readonly RegisterCommand[];
}

/** Runs one command line to its exit code. Never throws: what nobody expected becomes exit code 70. */
export async function runCli(input: CliInput): Promise<number> {
  const terminal = new Terminal(input);
  // Usage mistakes are found while parsing, before any command could set this.
  terminal.json = input.args.includes("--json");
  let exitCode: number = EXIT.ok;
  const context: CommandContext = {
    terminal,
    env: input.env,
    cwd: input.cwd,
    signal: input.signal,
    setExitCode: (code) => (exitCode = code),
  };
  const program = createProgram(input, context);
  try {
    await program.parseAsync([...input.args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error, terminal);
    if (input.signal.aborted) return EXIT.interrupted;
    if (error instanceof CliFailure) {
      terminal.failure(error);
      return error.exitCode;
    }
    terminal.failure(unexpected(error));
    if (input.env["TRELLIS_DEBUG"] !== undefined && error instanceof Error) terminal.note(error.stack ?? "");
    return EXIT.unexpected;
  }
}

function createProgram(input: CliInput, context: CommandContext): Command {
  const program = new Command("trellis")
    .description("Run and operate distributed services by contract.")
    .version(input.version, "-v, --version", "print the version")
    .option("--json", "print JSON for programs")
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.print(text.trimEnd()),
      writeErr: () => undefined,
    });
  for (const register of input.commands) register(program, context);
  for (const command of everyCommand(program)) {
    command.exitOverride().showSuggestionAfterError(true).copyInheritedSettings(program);
    if (command !== program && !command.options.some((option) => option.long === "--json")) {
      command.option("--json", "print JSON for programs");
    }
  }
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function usageExit(error: CommanderError, terminal: Terminal): number {
  // Help and version are answers, not mistakes; bare `trellis` prints help too.
  if (error.exitCode === 0 || error.code === "commander.help") return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const [what = "", ...why] = error.message.replace(/^error: /, "").split("\n");
  terminal.failure(
    new CliFailure({ code: "usage", what, why: why.map((line) => line.replace(/^\((.*)\)$/, "$1")), next: ["trellis --help lists every command"] }),
  );
  return EXIT.usage;
}

function unexpected(error: unknown): CliFailure {
  return new CliFailure({
    code: "unexpected",
    what: `something nobody expected happened: ${error instanceof Error ? error.message : String(error)}`,
    next: ["run it again with TRELLIS_DEBUG=1 and report what it prints"],
    exitCode: EXIT.unexpected,
  });
}
