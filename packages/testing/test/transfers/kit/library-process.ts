// One replica of the service `library`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… node library-process.ts`.
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { library } from "./library-contract.ts";
import { lend } from "./lending.ts";
import { watchMemory } from "./memory.ts";

const service = await TrellisService.connect({
  contract: library,
  name: "library",
  log: SILENT_LOG,
  limits: { transferHeartbeatMs: 1_000 },
});
lend(service);
await service.start();
watchMemory();
console.log("serving");
await service.run();
