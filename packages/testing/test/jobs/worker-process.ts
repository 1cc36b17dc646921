// One replica of the service `works`: `TRELLIS_URL=… TRELLIS_SEED_FILE=… RUNS_FILE=… node worker-process.ts`.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { JobContextOf } from "@trellis/jobs";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { works } from "./contract.ts";

const service = await TrellisService.connect({
  contract: works,
  name: "works",
  log: SILENT_LOG,
  onNotice: () => undefined,
});
const runs = process.env["RUNS_FILE"] ?? "";
/** A payload's text: its handler lets nothing else of its process run. */
const BLOCKS = "blocks";
const block = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};
const work = async ({
  payload,
  job,
}: Pick<JobContextOf<{ n: number; ms?: number; text?: string }>, "payload" | "job">) => {
  appendFileSync(runs, `${job.id} ${job.attempt} began ${process.pid}\n`);
  // Only the first run is such a handler.
  if (payload.text === BLOCKS) {
    if (job.attempt === 1) block(payload.ms ?? 0);
  } else await wait(payload.ms ?? 0);
  // A job with a gate goes on when the file is there.
  while (payload.text !== undefined && payload.text !== BLOCKS && !existsSync(payload.text)) await wait(20);
  appendFileSync(runs, `${job.id} ${job.attempt} ended ${process.pid}\n`);
  // Different for every run: two ends could not be taken for one.
  return ok({ n: payload.n, worker: `${process.pid}/${job.attempt}` });
};
service.handle.job.tough(work);
service.handle.job.shared(work);
await service.start();
console.log("serving");
await service.run();
console.log("drained");
