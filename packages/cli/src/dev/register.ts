import type { RegisterCommand } from "../command.ts";
import { addPlatformOptions, platformOptions, type WrittenPlatformOptions } from "../local/platform-options.ts";

/** `trellis dev`: `up` and your service, for as long as this runs. */
export const registerDev: RegisterCommand = (command, context) => {
  addPlatformOptions(command)
    .option("--main <file>", "what to run", "main.ts")
    .option("--contract <path>", "manifest, module or folder with its contract", ".")
    .example("trellis dev")
    .action(async ({ main, contract, ...written }: WrittenPlatformOptions & { main: string; contract: string }) => {
      const { runDev } = await import("./run-dev.ts");
      await runDev(context, { ...platformOptions(written), main, contract });
    });
};
