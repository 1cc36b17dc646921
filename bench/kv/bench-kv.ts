import { join } from "node:path";
import type { BenchResult } from "../report.ts";
import { round } from "../statistics.ts";
import { compare, startStorageArena } from "./storage-arena.ts";

const TASKS = {
  put: { inFlight: 64, says: "one value of 250 B stored and acknowledged" },
  get: { inFlight: 64, says: "one value read, parsed and checked" },
  list: { inFlight: 1, says: "10 000 entries; raw is one batched direct get" },
} as const;

/** Of raw nats.js in the same minute; a listing may take 1.5 times as long as the one batched read. */
const PROMISED: { readonly [task in keyof typeof TASKS]: number } = { put: 0.6, get: 0.6, list: 1 / 1.5 };

/** Buckets of a service next to those of nats.js in one account without any security. */
export async function run(): Promise<BenchResult> {
  await using arena = await startStorageArena(join(import.meta.dirname, "worker.ts"));
  const rows: string[][] = [];
  const ratios: { [task: string]: number } = {};
  const missed: string[] = [];
  for (const [task, { inFlight, says }] of Object.entries(TASKS)) {
    const { raw, trellis, ratio, p50Ms } = await compare(arena, task, { turns: 7, durationMs: 900, inFlight });
    ratios[task] = round(ratio);
    rows.push([
      task,
      raw.toFixed(0),
      trellis.toFixed(0),
      ratio.toFixed(2),
      p50Ms.raw.toFixed(2),
      p50Ms.trellis.toFixed(2),
      says,
    ]);
    const least = Object.entries(PROMISED).find(([name]) => name === task)?.[1] ?? 0;
    if (ratio < least) missed.push(`${task} is ${round(ratio)} of raw nats.js; promised ${round(least)}`);
  }
  return {
    bench: "kv",
    columns: ["task", "raw/s", "trellis/s", "ratio", "raw p50 ms", "p50 ms", "what it does"],
    rows,
    ratios,
    missed,
  };
}
