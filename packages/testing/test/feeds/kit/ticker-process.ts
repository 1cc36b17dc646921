// One replica of the service `ticker`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… node ticker-process.ts`.
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { count } from "./counting.ts";
import { ticker } from "./ticker-contract.ts";

const service = await TrellisService.connect({
  contract: ticker,
  name: "ticker",
  log: SILENT_LOG,
  limits: { feedHeartbeatMs: Number(process.env["HEARTBEAT_MS"] ?? 500), maxOpenFeedsPerSession: 100_000 },
});
const counted = count(service);
await service.start();
process.on("SIGUSR2", () => {
  globalThis.gc?.();
  const open = [...counted.open.values()].reduce((sum, each) => sum + each, 0);
  const { rss, heapUsed } = process.memoryUsage();
  console.log(`open ${open} rssMb ${(rss / 2 ** 20).toFixed(0)} heapMb ${(heapUsed / 2 ** 20).toFixed(0)}`);
});
console.log("serving");
await service.run();
console.log("drained");
