import type { RegisterCommand } from "../command.ts";
import { createProgram, EVERY_COMMAND } from "../program.ts";
import { suggestions } from "./suggestions.ts";

/** `trellis complete -- svc sh`: what the last word could become, one a line. */
export const registerComplete: RegisterCommand = (command, context) => {
  command
    .argument("[words...]", "the words so far; the last one is being typed")
    .allowUnknownOption()
    .action(async (words: readonly string[]) => {
      const program = await createProgram(context, EVERY_COMMAND);
      for (const { word, description } of suggestions(program, words))
        context.terminal.print(`${word}\t${description}`);
    });
};
