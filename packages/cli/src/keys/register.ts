import { resolve } from "node:path";
import { nodeSessionKey, readSeedFile, SeedFileError, writeSeedFile } from "@trellis/auth/node";
import type { RegisterCommand } from "../command.ts";
import { CliFailure } from "../failure.ts";
import { newKeyFile } from "./key-file.ts";

/** `trellis keys …`: Ed25519 keys on this machine; nothing is sent anywhere. */
export const registerKeys: RegisterCommand = (program, context) => {
  const { terminal, cwd } = context;
  const keys = program.command("keys").description("Make and show keys; nothing leaves this machine.");

  keys
    .command("new")
    .description("make a key, readable by nobody but you")
    .argument("<file>", "where the private half goes; it must not exist")
    .addHelpText("after", "\nExample:\n  trellis keys new orders.seed")
    .action((path: string) => {
      const { file, seed, publicKey } = newKeyFile(path, cwd);
      writeSeedFile(file, seed);
      terminal.answer({ publicKey, file }, () => {
        terminal.print(publicKey);
        terminal.note(`the private half is in ${path} (mode 0600); register the public one: trellis svc provision <service> --key ${publicKey}`);
      });
    });

  keys
    .command("show")
    .description("print the public half of a key file and nothing else")
    .argument("<file>")
    .addHelpText("after", "\nExample:\n  trellis keys show orders.seed")
    .action((path: string) => {
      const publicKey = readPublicKey(resolve(cwd, path));
      terminal.answer({ publicKey }, () => terminal.print(publicKey));
    });
};

function readPublicKey(file: string): string {
  try {
    return nodeSessionKey(readSeedFile(file)).publicKey;
  } catch (error) {
    if (!(error instanceof SeedFileError)) throw error;
    throw new CliFailure({ code: `key_${error.code}`, what: error.message, next: ["trellis keys new <file> makes a new one"] });
  }
}
