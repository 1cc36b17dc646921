import { Argument } from "commander";
import type { RegisterCommand } from "../command.ts";
import { COMPLETION_SCRIPTS, isShell } from "./scripts.ts";

/** `trellis completion`: what a shell needs to complete our commands; it asks `trellis complete` back. */
export const registerCompletion: RegisterCommand = (command, { terminal }) => {
  command
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(COMPLETION_SCRIPTS)))
    .example("echo 'source <(trellis completion bash)' >> ~/.bashrc")
    .action((shell: string) => {
      if (!isShell(shell)) return;
      const script = COMPLETION_SCRIPTS[shell];
      terminal.answer({ shell, script }, () => terminal.print(script.trim()));
    });
};
