import { join } from "node:path";
import { compare, startStorageArena } from "../kv/storage-arena.ts";
import type { BenchResult } from "../report.ts";
import { round } from "../statistics.ts";
import { OBJECT_BYTES } from "./object-bytes.ts";

const TASKS = {
  put: "a stream stored, with its digest",
  get: "the same read as a stream, its digest checked",
} as const;

/** Times the rate of the object store of nats.js in the same minute. */
const PROMISED = 4;

/** Object stores of a service next to the one of nats.js in one account without any security. */
export async function run(): Promise<BenchResult> {
  await using arena = await startStorageArena(join(import.meta.dirname, "worker.ts"));
  const rows: string[][] = [];
  const ratios: { [task: string]: number } = {};
  const missed: string[] = [];
  const mebibytes = OBJECT_BYTES / 1024 / 1024;
  for (const [task, says] of Object.entries(TASKS)) {
    const { raw, trellis, ratio } = await compare(arena, task, { turns: 3, durationMs: 1_500, inFlight: 1 });
    ratios[task] = round(ratio);
    rows.push([task, (raw * mebibytes).toFixed(0), (trellis * mebibytes).toFixed(0), ratio.toFixed(2), says]);
    if (ratio < PROMISED) missed.push(`${task} is ${round(ratio)} times nats.js; promised ${PROMISED}`);
  }
  return {
    bench: "files",
    columns: ["task", "raw MiB/s", "trellis MiB/s", "ratio", `what it does (${mebibytes} MiB)`],
    rows,
    ratios,
    facts: { objectMiB: mebibytes },
    missed,
  };
}
