// One replica of the service `billing`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… RUNS_FILE=… node worker-process.ts`.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { billing } from "./contract.ts";

const service = await TrellisService.connect({
  contract: billing,
  name: "billing",
  log: SILENT_LOG,
  onNotice: () => undefined,
});
const runs = process.env["RUNS_FILE"] ?? "";
let made = 0;
service.handle.operation.billing.refund(async ({ input, op, attempt, signal }) => {
  appendFileSync(runs, `${op.id} began ${attempt} ${process.pid}\n`);
  signal.addEventListener("abort", () => appendFileSync(runs, `${op.id} aborted ${attempt} ${process.pid}\n`));
  if (input.how === "signal") {
    const approval = op.nextSignal("approve");
    // One that sleeps is put to rest soon.
    await Promise.race([op.sleep(600_000), approval]);
    return ok({ order: input.order, by: (await approval).by });
  }
  const values: string[] = [];
  for (const name of ["one", "two", "three"]) {
    const value = await op.step(name, async () => {
      await wait(input.ms ?? 0);
      // Different for every run: two could not be taken for one.
      const fresh = `${process.pid}.${(made += 1)}`;
      appendFileSync(runs, `${op.id} step ${name} ${fresh}\n`);
      return fresh;
    });
    values.push(value);
    // After the second step an operation with a gate waits until the file is there.
    while (name === "two" && input.how !== undefined && !existsSync(input.how)) await wait(20);
  }
  appendFileSync(runs, `${op.id} returns ${attempt} ${process.pid}\n`);
  return ok({ order: input.order, by: values.join(" ") });
});
service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: String(process.pid) }));
await service.start();
console.log("serving");
await service.run();
console.log("drained");
