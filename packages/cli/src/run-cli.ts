import { CommanderError } from "commander";
import type { CliCommand } from "./cli-command.ts";
import type { CommandContext, CommandEntry } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";
import { createProgram } from "./program.ts";
import { Terminal, type TerminalStreams } from "./terminal.ts";
import { CLI_VERSION } from "./version.ts";

export interface CliInput extends TerminalStreams {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly commands?: readonly CommandEntry[];
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
    commands: input.commands ?? COMMANDS,
    version: CLI_VERSION,
    signal: input.signal,
    readStdin: () => readAll(input.stdin),
    setExitCode: (code) => (exitCode = code),
  };
  let program: CliCommand | undefined;
  try {
    program = await createProgram(context, commandOf(input.args));
    await program.parseAsync(
      input.args.filter((arg) => arg !== "--json"),
      { from: "user" },
    );
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error, terminal, nextStep(program, input.args));
    if (input.signal.aborted) return EXIT.interrupted;
    const failure = error instanceof CliFailure ? error : unexpected(error);
    terminal.failure(failure);
    if (input.env["TRELLIS_DEBUG"] !== undefined && error instanceof Error) terminal.note(error.stack ?? "");
    return failure.exitCode;
  }
}

/** The word that says which command is meant; `trellis help svc` means `svc` too. */
function commandOf(args: readonly string[]): string | undefined {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  return first === "help" ? second : first;
}

/** How the command that was meant is used. */
function nextStep(program: CliCommand | undefined, args: readonly string[]): readonly string[] {
  let meant = program;
  let name = "trellis";
  for (const arg of args) {
    const below = meant?.subcommands.find((command) => command.name() === arg);
    if (below === undefined) break;
    meant = below;
    name += ` ${arg}`;
  }
  if (meant === program) return ["trellis --help lists every command"];
  const example = meant?.exampleLine;
  return [...(example === undefined ? [] : [`write it like this: ${example}`]), `${name} --help shows everything`];
}

function usageExit(error: CommanderError, terminal: Terminal, next: readonly string[]): number {
  // Help and version are answers, not mistakes; a command group alone prints its help and says that more is needed.
  if (error.exitCode === 0) return EXIT.ok;
  if (error.code === "commander.help") return EXIT.usage;
  const [what = "", ...why] = error.message.replace(/^error: /, "").split("\n");
  terminal.failure(
    new CliFailure({
      code: "usage",
      what,
      why: why.map((line) => line.replace(/^\((.*)\)$/, "$1")),
      next,
      exitCode: EXIT.usage,
    }),
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

async function readAll(stream: AsyncIterable<Uint8Array> = process.stdin): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
