// One replica of the mill: `TRELLIS_URL=… TRELLIS_SEED_FILE=… SOAK_EFFECTS=<folder> node service-process.ts`.
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { mill, type Run } from "./contract.ts";
import { openEffects } from "./effects.ts";

const effect = openEffects(process.env["SOAK_EFFECTS"] ?? "");
const service = await TrellisService.connect({
  contract: mill,
  name: "mill",
  log: SILENT_LOG,
  onNotice: () => undefined,
});
// Results name their run: two ends could not be taken for one.
service.handle.job.grind(async ({ payload: { n, ms }, job }) => {
  const run = { pid: process.pid, attempt: job.attempt, fence: job.fence };
  effect({ of: job.id, what: "began", run });
  await wait(ms);
  effect({ of: job.id, what: "ended", run });
  return ok({ n, run });
});
service.handle.operation.mill.bake(async ({ input: { n, ms }, op, attempt }) => {
  const run = { pid: process.pid, attempt, fence: op.fence };
  const steps: { [name: string]: Run } = {};
  for (const name of ["mix", "prove", "bake"]) {
    steps[name] = await op.step(name, async () => {
      effect({ of: op.id, what: name, run });
      await wait(ms / 3);
      return run;
    });
    // Some are put to rest in between, and go on wherever there is room.
    if (name === "prove" && n % 4 === 0) await op.sleep(ms * 20);
  }
  effect({ of: op.id, what: "ended", run });
  return ok({ n, run, steps });
});
await service.start();
console.log("serving");
await service.run();
