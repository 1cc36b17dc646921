import type { RegisterCommand } from "../command.ts";
import type { NatsConfigOptions } from "./write-config.ts";

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
    .option("--tls-cert <file>", "PEM certificate each server has at this path, for clients, browsers and each other")
    .option("--tls-key <file>", "its private key")
    .option("--tls-ca <file>", "the authority that signed the certificates, if it is your own")
    .option("--upgrade", "issue accounts anew that an older version made; no key changes")
    .example("trellis nats config ./operator --server n1.example.com n2.example.com n3.example.com")
    .action(async (folder: string, options: NatsConfigOptions) => {
      const { writeNatsConfig } = await import("./write-config.ts");
      await writeNatsConfig(context, folder, options);
    });
};
