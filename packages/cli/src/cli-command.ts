import { Command } from "commander";

/** A command that shows how it is used. */
export class CliCommand extends Command {
  #example: string | undefined;

  /** The line a person could type; help and the reference end with it. */
  example(line: string): this {
    this.#example ??= line;
    return this.addHelpText("after", `\nExample:\n  ${line}`);
  }

  get exampleLine(): string | undefined {
    return this.#example;
  }

  /** Whether it does something itself, besides holding other commands. */
  get isRunnable(): boolean {
    return this.subcommands.length === 0;
  }

  get subcommands(): readonly CliCommand[] {
    return this.commands.filter((command) => command instanceof CliCommand);
  }

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }
}
