import type { Command } from "commander";

export interface Suggestion {
  readonly word: string;
  readonly description: string;
}

/** What the last of the words could become: subcommands, options, and the choices of an option or argument. */
export function suggestions(program: Command, words: readonly string[]): readonly Suggestion[] {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, values } = walk(program, before);
  const waiting = optionOf(command, before.at(-1));
  const found =
    waiting !== undefined && (waiting.required || waiting.optional)
      ? (waiting.argChoices ?? []).map((word) => ({ word, description: "" }))
      : typed.startsWith("-")
        ? optionsOf(command)
        : [...subcommandsOf(command), ...choicesOf(command, values)];
  return found.filter(({ word }) => word.startsWith(typed));
}

/** The command the words lead to, and how many arguments it was given. */
function walk(program: Command, words: readonly string[]): { readonly command: Command; readonly values: number } {
  let command = program;
  let values = 0;
  let skip = false;
  for (const word of words) {
    if (skip) {
      skip = false;
    } else if (word.startsWith("-")) {
      skip = optionOf(command, word)?.required === true;
    } else {
      const next = command.commands.find((each) => each.name() === word);
      if (next === undefined) values += 1;
      else [command, values] = [next, 0];
    }
  }
  return { command, values };
}

function optionOf(command: Command, word: string | undefined) {
  return command.options.find((option) => word !== undefined && (option.long === word || option.short === word));
}

function optionsOf(command: Command): readonly Suggestion[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long == null ? [] : [{ word: long, description }]));
}

function subcommandsOf(command: Command): readonly Suggestion[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help")
    .map((each) => ({ word: each.name(), description: each.description() }));
}

function choicesOf(command: Command, values: number): readonly Suggestion[] {
  return (command.registeredArguments[values]?.argChoices ?? []).map((word) => ({ word, description: "" }));
}
