// One replica of the service `fragile`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… node fragile-process.ts`.
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { fragile } from "./contract.ts";

const service = await TrellisService.connect({
  contract: fragile,
  name: "fragile",
  log: SILENT_LOG,
  onNotice: () => undefined,
});
const die = (): void => void process.kill(process.pid, "SIGKILL");

/** What is deadly ends the process while the others are at work. */
async function work(name: string): Promise<void> {
  if (name === "quick") return;
  await wait(name === "deadly" ? 300 : 600);
  if (name === "deadly") die();
}

service.handle.operation.fragile.do(async ({ input, op }) => {
  if (input.name === "in steps")
    for (const step of ["one", "two"]) {
      let isNew = false;
      await op.step(step, () => {
        isNew = true;
      });
      if (isNew) {
        die();
        await wait(60_000);
      }
    }
  else await work(input.name);
  return ok(input);
});
service.handle.job.tasks(async ({ payload }) => {
  await work(payload.name);
  return ok(payload);
});
await service.start();
console.log("serving");
