import type { RegisterCommand } from "../command.ts";

const load = () => import("./contract-commands.ts");

/** `trellis contract …`: needs no platform. */
export const registerContract: RegisterCommand = (contract, context) => {
  contract
    .command("check")
    .description("say everything that is wrong with a contract")
    .argument("[path]", "manifest, module or folder", ".")
    .example("trellis contract check ./orders")
    .action(async (path: string) => (await load()).checkContract(context, path));

  contract
    .command("digest")
    .description("print the digest and nothing else")
    .argument("<file>", "manifest, module or folder")
    .example("trellis contract digest contract.ts")
    .action(async (path: string) => (await load()).printDigest(context, path));

  contract
    .command("canonical")
    .description("print the normalized manifest as canonical JSON and nothing else")
    .argument("<file>", "manifest, module or folder")
    .example("trellis contract canonical contract.ts > orders.json")
    .action(async (path: string) => (await load()).printCanonical(context, path));

  contract
    .command("diff")
    .description("what changed between two contracts and who it breaks; exit code 1 when it breaks somebody")
    .argument("<old>", "manifest, module or folder")
    .argument("<new>", "manifest, module or folder")
    .example("trellis contract diff orders-v1.json ./orders --json")
    .action(async (older: string, newer: string) => (await load()).diffContracts(context, older, newer));

  contract
    .command("docs")
    .description("print the reference of a contract as Markdown")
    .argument("[path]", "manifest, module or folder", ".")
    .example("trellis contract docs ./orders > orders.md")
    .action(async (path: string) => (await load()).printDocs(context, path));
};
