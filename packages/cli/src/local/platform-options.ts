import { Option } from "commander";
import type { CliCommand } from "../cli-command.ts";
import { wholeNumber } from "../whole-number.ts";

/** The options `up` and `dev` share. */
export function addPlatformOptions(command: CliCommand): CliCommand {
  return command
    .option("--dir <folder>", "the folder that gets .trellis, with keys, data and logs", ".")
    .option("--port <port>", "where the platform answers (default: 3000, or a free one)", wholeNumber(0, 65_535))
    .addOption(
      new Option("--nodes <count>", "NATS servers: 3 survive the loss of any one").choices(["1", "3"]).default("1"),
    )
    .option("--control-planes <count>", "replicas of the control plane", wholeNumber(1, 5));
}

/** What commander makes of them. */
export interface WrittenPlatformOptions {
  readonly dir: string;
  readonly port?: number;
  readonly nodes: "1" | "3";
  readonly controlPlanes?: number;
}

/** The same as the platform takes them. */
export function platformOptions({ nodes, ...rest }: WrittenPlatformOptions) {
  return { ...rest, nodes: nodes === "3" ? (3 as const) : (1 as const) };
}
