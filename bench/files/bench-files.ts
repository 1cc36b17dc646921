import { join } from "node:path";
import { compare, startStorageArena } from "../kv/storage-arena.ts";
import type { BenchResult } from "../report.ts";
import { round } from "../statistics.ts";
import { OBJECT_BYTES } from "./object-bytes.ts";

const TASKS = {
  put: "a stream stored, with its digest",
  get: "the same read as a stream, its digest checked",
  upload: "sent by a caller through a service into its store",
  download: "read by a caller through the service",
} as const;

/** Times the rate of the object store of nats.js (its put, its get) in the same minute. */
const PROMISED: { readonly [T in keyof typeof TASKS]: number } = { put: 4, get: 4, upload: 2, download: 2 };

/** Object stores of a service next to the one of nats.js in one account without any security. */
export async function run(): Promise<BenchResult> {
  await using arena = await startStorageArena(join(import.meta.dirname, "worker.ts"));
  const rows: string[][] = [];
  const ratios: { [task: string]: number } = {};
  const missed: string[] = [];
  const mebibytes = OBJECT_BYTES / 1024 / 1024;
  const cpu = ({ worker, server }: { readonly worker: number; readonly server: number }): string =>
    [worker, server].map((micros) => (micros / 1000 / mebibytes).toFixed(1)).join(" + ");
  for (const task of ["put", "get", "upload", "download"] as const) {
    const says = TASKS[task];
    const { raw, trellis, ratio, cpuMicros } = await compare(arena, task, { turns: 5, durationMs: 1_500, inFlight: 1 });
    ratios[task] = round(ratio);
    rows.push([
      task,
      (raw * mebibytes).toFixed(0),
      (trellis * mebibytes).toFixed(0),
      ratio.toFixed(2),
      cpu(cpuMicros.raw),
      cpu(cpuMicros.trellis),
      says,
    ]);
    if (ratio < PROMISED[task]) missed.push(`${task} is ${round(ratio)} times nats.js; promised ${PROMISED[task]}`);
  }
  return {
    bench: "files",
    columns: [
      "task",
      "raw MiB/s",
      "trellis MiB/s",
      "ratio",
      "raw ms/MiB",
      "trellis ms/MiB",
      `what it does (${mebibytes} MiB)`,
    ],
    rows,
    ratios,
    facts: { objectMiB: mebibytes },
    missed,
  };
}
