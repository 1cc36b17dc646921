import type { CliCommand } from "./cli-command.ts";
import type { CommandContext } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { createProgram, EVERY_COMMAND } from "./program.ts";
import { Terminal } from "./terminal.ts";
import { CLI_VERSION } from "./version.ts";

/** Every command with its arguments, options and an example, and every exit code, as one page of Markdown. */
export async function renderCliReference(): Promise<string> {
  const program = await createProgram(silentContext(), EVERY_COMMAND);
  const hidden = new Set(COMMANDS.filter((entry) => entry.hidden).map(({ name }) => name));
  const commands = program.subcommands.filter((command) => !hidden.has(command.name()));
  return [
    "# Command line reference",
    "",
    "Generated from the program itself; do not edit.",
    "",
    "Every command takes `--help`, which ends with an example, and `--json`, which prints JSON for programs on standard output:",
    "one value, or one on each line where things come one after the other (`start`, `watch`, `feed`, `listen`, `logs`, `jobs top` and",
    'every other `watch`). Errors are `{"error": {"code", "what", "why", "next"}}` on standard error.',
    "",
    "| Command | What it does |",
    "| --- | --- |",
    ...commands.map(
      (command) => `| [\`trellis ${command.name()}\`](#trellis-${command.name()}) | ${command.description()} |`,
    ),
    "",
    "## Exit codes",
    "",
    "| Code | Meaning |",
    "| --- | --- |",
    ...EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`),
    "",
    "## Where the platform and the key come from",
    "",
    "| Variable | Meaning |",
    "| --- | --- |",
    "| `TRELLIS_URL` | The platform. Without it: the local platform of this folder or of one above it. |",
    "| `TRELLIS_USER_KEY_FILE` | The key file of a registered person. Without it: the developer of the local platform. |",
    "| `TRELLIS_NATS_SERVER` | The nats-server program `up` and `dev` run. Without it: found on `PATH`, or fetched. |",
    "| `NO_COLOR`, `FORCE_COLOR` | Never, or always, use colour. Without them: only on a terminal. |",
    "| `TRELLIS_DEBUG` | Prints the stack of an error too. |",
    "",
    ...commands.flatMap((command) => section(command, "trellis", 2)),
  ].join("\n");
}

function section(command: CliCommand, parent: string, depth: number): string[] {
  const name = `${parent} ${command.name()}`;
  const help = command.createHelp();
  const details = [
    ...help.visibleArguments(command).map((each) => [each.name(), help.argumentDescription(each)]),
    ...help
      .visibleOptions(command)
      .filter(({ long }) => long !== "--help" && long !== "--json")
      .map((each) => [each.flags, help.optionDescription(each)]),
  ];
  return [
    `${"#".repeat(depth)} ${name}`,
    "",
    sentence(command.description()),
    "",
    ...details.map(([term = "", text = ""]) => `- \`${term}\`${text === "" ? "" : ` — ${text}`}`),
    ...(details.length > 0 ? [""] : []),
    ...(command.exampleLine === undefined ? [] : ["```sh", command.exampleLine, "```", ""]),
    ...command.subcommands.flatMap((each) => section(each, name, depth + 1)),
  ];
}

function sentence(text: string): string {
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return whole.endsWith(".") ? whole : `${whole}.`;
}

/** Commands describe themselves without doing anything, so nothing of this is used. */
function silentContext(): CommandContext {
  const nowhere = { write: () => undefined };
  return {
    terminal: new Terminal({ stdout: nowhere, stderr: nowhere, env: {} }),
    env: {},
    cwd: ".",
    commands: COMMANDS,
    version: CLI_VERSION,
    signal: AbortSignal.abort(),
    readStdin: async () => "",
    setExitCode: () => undefined,
  };
}
