import type { CliCommand } from "./cli-command.ts";
import type { Terminal } from "./terminal.ts";

/** What every command gets: nothing reaches for `process` by itself. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly env: { readonly [name: string]: string | undefined };
  readonly cwd: string;
  /** Every command there is; completion walks them. */
  readonly commands: readonly CommandEntry[];
  /** Of `trellis` itself. */
  readonly version: string;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readStdin(): Promise<string>;
  setExitCode(code: number): void;
}

/** A command file gives its command, made already, its arguments, options, subcommands and action. */
export type RegisterCommand = (command: CliCommand, context: CommandContext) => void;

/** One word after `trellis`: its module is loaded only when it is typed, so that help is there at once. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Asked by programs, not by people: left out of help and reference. */
  readonly hidden?: true;
  readonly load: () => Promise<RegisterCommand>;
}
