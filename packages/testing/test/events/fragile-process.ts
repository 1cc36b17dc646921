// A replica that some events are too much for: node fragile-process.ts <strict|wide> <url> <seed file> <ledger>
import { appendFileSync } from "node:fs";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { fragileCounter, fragileStrictCounter } from "./counter-contracts.ts";

const [, , kind = "", url = "", seedFile = "", ledger = ""] = process.argv;
process.on("disconnect", () => process.exit(0));

const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
const service = await TrellisService.connect({
  contract: kind === "wide" ? fragileCounter : fragileStrictCounter,
  name: `fragile-${kind}`,
  url,
  key,
  env: {},
  log: SILENT_LOG,
  onNotice: () => undefined,
});
let failed = false;
service.handle.events.ledger(async ({ event }) => {
  // Side by side others are under way by then, and end with it; in strict order nobody has heard yet what was handled before.
  if (kind === "wide") await new Promise((resolve) => setTimeout(resolve, event.key === "deadly" ? 100 : 150));
  if (event.key === "deadly") process.kill(process.pid, "SIGKILL");
  // Its neighbour used up as many deliveries; it has failed once.
  if (event.key === "flaky" && !failed) {
    failed = true;
    throw new Error("not at once");
  }
  appendFileSync(ledger, `${event.key}\n`);
});
await service.start();
process.send?.("ready");
