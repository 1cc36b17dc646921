import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** What every command gets: nothing reaches for `process` by itself. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly env: { readonly [name: string]: string | undefined };
  readonly cwd: string;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  setExitCode(code: number): void;
}

/** A command file adds itself to the program. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;
