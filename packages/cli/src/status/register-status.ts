import type { RegisterCommand } from "../command.ts";

/** `trellis status`: one look at everything. */
export const registerStatus: RegisterCommand = (command, context) => {
  command.example("trellis status --json").action(async () => {
    const { showStatus } = await import("./status.ts");
    await showStatus(context);
  });
};
