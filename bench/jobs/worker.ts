// One replica that works on the queue: `TRELLIS_URL=… TRELLIS_SEED_FILE=… node worker.ts`.
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { factory } from "./contract.ts";

process.stdin.on("end", () => process.exit()).resume();
const service = await TrellisService.connect({ contract: factory, log: SILENT_LOG, onNotice: () => undefined });
service.handle.job.work(({ payload }) => ok({ n: payload.n }));
await service.start();
console.log("serving");
