// One replica of the mill: `TRELLIS_URL=… TRELLIS_SEED_FILE=… SOAK_EFFECTS=<folder> node service-process.ts`.
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { mill } from "./contract.ts";
import { openEffects } from "./effects.ts";

const effect = openEffects(process.env["SOAK_EFFECTS"] ?? "");
const service = await TrellisService.connect({
  contract: mill,
  name: "mill",
  log: SILENT_LOG,
  onNotice: () => undefined,
});
service.handle.job.grind(async ({ payload, job }) => {
  // Different for every run: two ends could not be taken for one.
  const run = `${process.pid}/${job.attempt}/${job.fence}`;
  effect({ of: job.id, what: "began", run });
  await wait(payload.ms);
  effect({ of: job.id, what: "ended", run });
  return ok({ n: payload.n, run });
});
await service.start();
console.log("serving");
await service.run();
