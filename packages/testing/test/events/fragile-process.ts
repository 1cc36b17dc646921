// A replica that some events are too much for: node fragile-process.ts <url> <seed file> <ledger>
import { appendFileSync } from "node:fs";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { fragileCounter } from "./counter-contracts.ts";

const [, , url = "", seedFile = "", ledger = ""] = process.argv;
process.on("disconnect", () => process.exit(0));

const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
const service = await TrellisService.connect({
  contract: fragileCounter,
  name: "fragile-counter",
  url,
  key,
  env: {},
  log: SILENT_LOG,
  onNotice: () => undefined,
});
service.handle.events.ledger(async ({ event }) => {
  // Others are under way by then, and end with it.
  await new Promise((resolve) => setTimeout(resolve, event.key === "deadly" ? 100 : 150));
  if (event.key === "deadly") process.kill(process.pid, "SIGKILL");
  appendFileSync(ledger, `${event.key}\n`);
});
await service.start();
process.send?.("ready");
