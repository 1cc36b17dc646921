import type { RegisterCommand } from "../command.ts";
import { addPlatformOptions, platformOptions, type WrittenPlatformOptions } from "./platform-options.ts";

/** `trellis up`: a whole platform on this machine, for as long as this runs. */
export const registerUp: RegisterCommand = (command, context) => {
  addPlatformOptions(command)
    .example("trellis up --nodes 3")
    .action(async (written: WrittenPlatformOptions) => {
      const { runPlatform } = await import("./run-platform.ts");
      await runPlatform(context, platformOptions(written));
    });
};
