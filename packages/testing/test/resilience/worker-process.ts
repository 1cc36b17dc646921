// One replica of the service `work`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… node worker-process.ts`.
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { work } from "./kit/work-contract.ts";

const service = await TrellisService.connect({ contract: work, name: "work", log: SILENT_LOG });
service.handle.rpc.work.do(async ({ input }) => {
  if (input.ms !== undefined && input.ms > 0) await wait(input.ms);
  return ok({ n: input.n, pid: process.pid });
});
await service.start();
console.log("serving");
await service.run();
console.log("drained");
