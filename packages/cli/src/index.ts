/** The command line as a library: for tests and for generating its reference. */

export { type CliInput, runCli } from "./run-cli.ts";
export type { CommandContext, CommandEntry, RegisterCommand } from "./command.ts";
export { COMMANDS } from "./commands.ts";
export { EXIT, EXIT_CODES, type ExitCode } from "./exit-codes.ts";
export { renderCliReference } from "./reference.ts";
export { CLI_VERSION } from "./version.ts";
