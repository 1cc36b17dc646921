import { relative } from "node:path";
import type { LocalPlatform } from "@trellis/platform";
import type { CommandContext } from "../command.ts";
import { untilAborted } from "../until-aborted.ts";
import { type PlatformOptions, startPlatform } from "./start-platform.ts";

/** Runs a platform until Ctrl-C, and stops it clean. */
export async function runPlatform(context: CommandContext, options: PlatformOptions): Promise<void> {
  const { terminal, signal } = context;
  const began = performance.now();
  await using platform = await startPlatform(context, options);
  // Ctrl-C while it started: it stops at once.
  if (signal.aborted) return;
  const { url, directory, nats, developer } = platform;
  const { servers: natsServers, websocketUrls } = nats;
  terminal.answer({ url, natsServers, websocketUrls, directory, developerKeyFile: developer.keyFile }, () => {
    printPlatform(context, platform, performance.now() - began);
    terminal.print("Next, in another terminal: node main.ts — or trellis init orders, if there is no service yet.");
  });
  await untilAborted(signal);
  terminal.note("\nStopping…");
  await platform.stop();
  terminal.note("Stopped.");
}

/** Where everything is. */
export function printPlatform({ terminal, cwd }: CommandContext, platform: LocalPlatform, tookMs: number): void {
  const { colors } = terminal;
  terminal.print(`${colors.green("The platform is ready")} (${(tookMs / 1000).toFixed(1)} s).`);
  terminal.print(`  Platform   ${colors.bold(platform.url)}`);
  terminal.print(`  NATS       ${platform.nats.servers.join(", ")}`);
  terminal.print(`  WebSocket  ${platform.nats.websocketUrls.join(", ")}`);
  terminal.print(`  Files      ${relative(cwd, platform.directory) || platform.directory} (your key, data and logs)`);
  terminal.print(colors.dim("Ctrl-C stops it; what it stored is kept."));
}
