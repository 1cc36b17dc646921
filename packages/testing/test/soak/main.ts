// npm run soak -- [--seed N] [--minutes N]: five minutes of kills and pauses, then what the streams say about every job.
import { parseArgs } from "node:util";
import { chosenSeed } from "../resilience/kit/random.ts";
import { grown } from "./memory.ts";
import { tellSoak } from "./tell-soak.ts";
import { soak } from "./soak.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, minutes: { type: "string", default: "5" } } });
const seed = values.seed === undefined ? chosenSeed() : Number(values.seed);
const minutes = Number(values.minutes);
if (!Number.isSafeInteger(seed) || !(minutes > 0)) {
  process.stderr.write("error: --seed takes a whole number and --minutes how long the nemesis is to last\n");
  process.exit(2);
}
/** 20 000 jobs and 2 000 operations in five minutes. */
const JOBS_A_MINUTE = 4_000;
const OPERATIONS_A_MINUTE = 400;
const startedAt = performance.now();
const say = (line: string): void =>
  void process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);

say(`seed ${seed}: npm run soak -- --seed ${seed} --minutes ${minutes}`);
const report = await soak({
  seed,
  jobs: Math.round(minutes * JOBS_A_MINUTE),
  operations: Math.round(minutes * OPERATIONS_A_MINUTE),
  overMs: minutes * 60_000,
  deeds: 0,
  longestPauseMs: 15_000,
  jobsMaxBytes: "96MiB",
  comparesMemory: true,
  onProgress: say,
});
for (const line of tellSoak(report)) say(line);
const tooMuch = grown(report.memoryBefore, report.memoryAfter);
for (const what of tooMuch) say(`GROWN ${what}`);
process.exitCode = report.wrong.length + tooMuch.length === 0 ? 0 : 1;
