import type { RegisterCommand } from "../command.ts";

/** `trellis nats …`: for platforms whose NATS servers you run yourself. */
export const registerNats: RegisterCommand = (nats, context) => {
  nats
    .command("config")
    .description("write the operator's keys, and the configuration of each server")
    .argument("<folder>", "keys that are there already are kept and used")
    .option("--server <host...>", "a server by the name the others reach it under; three survive the loss of one", [
      "localhost",
    ])
    .option("--data <folder>", "where each server keeps its data, on its own machine", "/var/lib/nats")
    .example("trellis nats config ./operator --server n1.example.com n2.example.com n3.example.com")
    .action(async (folder: string, options: { server: string[]; data: string }) => {
      const { writeNatsConfig } = await import("./write-config.ts");
      await writeNatsConfig(context, folder, options);
    });
};
