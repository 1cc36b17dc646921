import type { RegisterCommand } from "../command.ts";

/** `trellis init`: a folder that runs. */
export const registerInit: RegisterCommand = (command, context) => {
  command
    .argument("<name>", "of the service and its folder: lower-case letters, digits and dashes")
    .option("--link <folder>", "take the @trellis packages from tarballs in this folder instead of the registry")
    .example("trellis init orders && cd orders && npm install")
    .action(async (name: string, options: { link?: string }) => {
      const { initService } = await import("./init-service.ts");
      await initService(context, name, options);
    });
};
