// A replica that writes down each event before it is acknowledged: node counter-process.ts <strict|wide> <url> <seed file> <ledger>
import { appendFileSync } from "node:fs";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { strictCounter, wideCounter } from "./counter-contracts.ts";

const [, , kind = "", url = "", seedFile = "", ledger = ""] = process.argv;
process.on("disconnect", () => process.exit(0));

const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
const service = await TrellisService.connect({
  contract: kind === "wide" ? wideCounter : strictCounter,
  name: `${kind}-counter`,
  url,
  key,
  env: {},
  log: SILENT_LOG,
  onNotice: () => undefined,
});
let failures = 0;
service.handle.events.ledger(async ({ event, attempt }) => {
  // One in two hundred fails at first, so that retries and their order are part of it.
  if (attempt === 1 && event.n % 200 === 199 && failures++ < 10) throw new Error("not at once");
  if (kind === "wide") await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
  appendFileSync(ledger, `${event.key} ${event.n}\n`);
});
await service.start();
process.send?.("ready");
