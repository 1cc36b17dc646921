import type { RegisterCommand } from "../command.ts";
import { wholeNumber } from "../whole-number.ts";

/** `trellis logs`: what the platform of this folder wrote, whether or not it still runs. */
export const registerLogs: RegisterCommand = (command, context) => {
  command
    .option("--lines <count>", "how many of the newest", wholeNumber(0, 100_000), 50)
    .option("-f, --follow", "go on with what comes, until Ctrl-C")
    .option("--only <source>", "one source, such as control-plane or nats-n1")
    .example("trellis logs --follow")
    .action(async (options: { lines: number; follow?: true; only?: string }) => {
      const { showLogs } = await import("./logs.ts");
      await showLogs(context, options);
    });
};
