import { join } from "node:path";
import type { BenchResult } from "../report.ts";
import { startArena } from "../rpc/arena.ts";
import { median, round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";
import { contenders, FRAMES_PER_READING } from "./sides.ts";

const WARM_UP_MS = 1_500;
/** Many short turns: a busy moment of a shared machine spoils one turn of both. */
const TURNS = 9;
const TURN_MS = 900;
const BASE = "plain";

/** A promise of design/performance.md. */
const PROMISED = 0.5;

/** Frames of a feed to one reader against publish and subscribe of nats.js, every side in a process of its own. */
export async function run(): Promise<BenchResult> {
  await using arena = await startArena();
  await using stack = new AsyncDisposableStack();
  const worker = join(import.meta.dirname, "worker.ts");
  const readers = new Map<string, WorkerProcess>();
  for (const { name } of contenders) {
    const address = arena.addressOf(name === BASE ? BASE : "ed25519");
    stack.use(await WorkerProcess.start(worker, [name, "serve", address], arena.env));
    readers.set(name, stack.use(await WorkerProcess.start(worker, [name, "call", address], arena.env)));
  }
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const reader of readers.values()) await reader.run({ type: "run", durationMs: WARM_UP_MS, inFlight: 1 });
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, reader] of readers) {
      const { calls, elapsedMs } = await reader.run({ type: "run", durationMs: TURN_MS, inFlight: 1 });
      rates.get(name)?.push((calls * FRAMES_PER_READING * 1_000) / elapsedMs);
    }
  }
  const base = rates.get(BASE) ?? [];
  const ratioOf = (name: string): number =>
    // Each turn is compared with the base's turn next to it, which had the same machine.
    round(median((rates.get(name) ?? []).map((rate, turn) => rate / (base[turn] ?? Number.NaN))));
  const ratio = ratioOf("feed");
  return {
    bench: "feeds",
    columns: ["contender", "frames/s", "ratio", "what it does"],
    rows: contenders.map(({ name, says }) => [
      name,
      median(rates.get(name) ?? []).toFixed(0),
      ratioOf(name).toFixed(2),
      says,
    ]),
    ratios: { feed: ratio },
    facts: { turns: TURNS, plainFramesPerSecond: Math.round(median(base)) },
    missed: ratio < PROMISED ? [`a feed is ${ratio} of plain; promised ${PROMISED}`] : [],
  };
}
