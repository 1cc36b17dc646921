import { join } from "node:path";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";
import { startArena } from "./arena.ts";
import { contenders } from "./contenders.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 1500;
const WARM_UP_MS = 700;

/** Promises of design/performance.md; the gate of this benchmark. */
const PROMISED: Readonly<Record<string, number>> = { transport: 2.0, ed25519: 0.25 };

/** Every contender's processes are up at once and take turns, so a slow minute of the machine is slow for all of them. */
export async function run(): Promise<BenchResult> {
  await using arena = await startArena();
  await using stack = new AsyncDisposableStack();
  const worker = join(import.meta.dirname, "worker.ts");
  const callers = new Map<string, WorkerProcess>();
  for (const { name } of contenders) {
    const address = arena.addressOf(name);
    stack.use(await WorkerProcess.start(worker, [name, "serve", address], arena.env));
    callers.set(name, stack.use(await WorkerProcess.start(worker, [name, "call", address], arena.env)));
  }
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  const p50 = new Map<string, number>();
  const p99 = new Map<string, number>();
  for (let turn = 0; turn <= ROUNDS; turn += 1) {
    for (const [name, caller] of callers) {
      const ran = await caller.run({ type: "run", durationMs: turn === 0 ? WARM_UP_MS : ROUND_MS, inFlight: IN_FLIGHT });
      if (turn === 0) continue;
      rates.get(name)?.push((ran.calls / ran.elapsedMs) * 1000);
      p50.set(name, ran.p50Ms);
      p99.set(name, ran.p99Ms);
    }
  }
  const rateOf = (name: string) => median(rates.get(name) ?? []);
  const base = rateOf("plain");
  const ratios = Object.fromEntries(contenders.map(({ name }) => [name, round(rateOf(name) / base)]));
  return {
    bench: "rpc",
    columns: ["contender", "calls/s", "ratio", "p50 ms", "p99 ms", "what it does"],
    rows: contenders.map(({ name, says }) => [
      name,
      String(Math.round(rateOf(name))),
      (ratios[name] ?? 0).toFixed(2),
      (p50.get(name) ?? 0).toFixed(2),
      (p99.get(name) ?? 0).toFixed(2),
      says,
    ]),
    ratios,
    facts: { inFlight: IN_FLIGHT, rounds: ROUNDS },
    missed: Object.entries(PROMISED)
      .filter(([name, least]) => (ratios[name] ?? 0) < least)
      .map(([name, least]) => `${name} is ${ratios[name]} of plain; promised ${least}`),
  };
}
