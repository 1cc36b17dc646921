import type { RegisterCommand } from "../command.ts";

/** `trellis keys …`: Ed25519 keys on this machine; nothing is sent anywhere. */
export const registerKeys: RegisterCommand = (keys, context) => {
  const { terminal, cwd } = context;

  keys
    .command("new")
    .description("make a key, readable by nobody but you")
    .argument("<file>", "where the private half goes; it must not exist")
    .example("trellis keys new orders.seed")
    .action(async (path: string) => {
      const { newKeyFile, saveKeyFile } = await import("./key-file.ts");
      const key = newKeyFile(path, cwd);
      saveKeyFile(key);
      const { publicKey, file } = key;
      terminal.answer({ publicKey, file }, () => {
        terminal.print(publicKey);
        terminal.note(`The private half is in ${path}, readable by you alone. Register the public one:`);
        terminal.note(`  trellis svc provision <service> --key ${publicKey}`);
        terminal.note(`  trellis users add-key <person> ${publicKey}`);
      });
    });

  keys
    .command("show")
    .description("print the public half of a key file and nothing else")
    .argument("<file>")
    .example("trellis keys show orders.seed")
    .action(async (path: string) => {
      const { publicKeyOf } = await import("./key-file.ts");
      const publicKey = publicKeyOf(path, cwd);
      terminal.answer({ publicKey }, () => terminal.print(publicKey));
    });
};
