import type { RegisterCommand } from "../command.ts";

/** `trellis doctor`: looks at everything that can be wrong here; changes nothing. */
export const registerDoctor: RegisterCommand = (command, context) => {
  command.example("trellis doctor").action(async () => {
    const { runDoctor } = await import("./doctor.ts");
    await runDoctor(context);
  });
};
