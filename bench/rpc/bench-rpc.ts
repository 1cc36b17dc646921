import { join } from "node:path";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";
import { startArena } from "./arena.ts";
import { contenders } from "./contenders.ts";

const IN_FLIGHT = 64;
const WARM_UP_MS = 1000;
/** Many short turns: a busy moment of a shared machine then spoils one turn of everybody, not a contender. */
const TURNS = 9;
const TURN_MS = 900;

/** Promises of design/performance.md; the gate of this benchmark. */
const PROMISED: Readonly<Record<string, number>> = { transport: 2.0, ed25519: 0.25 };
const BASE = "plain";

interface Turn {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Both sides of one contender, each in its process. */
interface Pair {
  readonly server: WorkerProcess;
  readonly caller: WorkerProcess;
  readonly turns: Turn[];
  calls: number;
  serverCpuMs: number;
  callerCpuMs: number;
}

/** Every contender's processes are up at once and take turns, so a slow minute of the machine is slow for all of them. */
export async function run(): Promise<BenchResult> {
  await using arena = await startArena();
  await using stack = new AsyncDisposableStack();
  const worker = join(import.meta.dirname, "worker.ts");
  const pairs = new Map<string, Pair>();
  for (const { name } of contenders) {
    const address = arena.addressOf(name);
    const server = stack.use(await WorkerProcess.start(worker, [name, "serve", address], arena.env));
    const caller = stack.use(await WorkerProcess.start(worker, [name, "call", address], arena.env));
    pairs.set(name, { server, caller, turns: [], calls: 0, serverCpuMs: 0, callerCpuMs: 0 });
  }
  for (const pair of pairs.values())
    await pair.caller.run({ type: "run", durationMs: WARM_UP_MS, inFlight: IN_FLIGHT });
  for (let turn = 0; turn < TURNS; turn += 1) for (const pair of pairs.values()) await takeTurn(pair);

  const pairOf = (name: string): Pair => {
    const pair = pairs.get(name);
    if (pair === undefined) throw new Error(`no contender ${name}`);
    return pair;
  };
  const ratios = Object.fromEntries(contenders.map(({ name }) => [name, round(ratio(pairOf(name), pairOf(BASE)))]));
  return {
    bench: "rpc",
    columns: ["contender", "calls/s", "ratio", "p50 ms", "p99 ms", "caller µs", "server µs", "what it does"],
    rows: contenders.map(({ name, says }) => {
      const { turns, calls, callerCpuMs, serverCpuMs } = pairOf(name);
      return [
        name,
        median(turns.map((turn) => turn.rate)).toFixed(0),
        (ratios[name] ?? 0).toFixed(2),
        median(turns.map((turn) => turn.p50Ms)).toFixed(2),
        median(turns.map((turn) => turn.p99Ms)).toFixed(2),
        ((callerCpuMs / calls) * 1000).toFixed(1),
        ((serverCpuMs / calls) * 1000).toFixed(1),
        says,
      ];
    }),
    ratios,
    facts: {
      inFlight: IN_FLIGHT,
      turns: TURNS,
      plainCallsPerSecond: Math.round(median(pairOf(BASE).turns.map((turn) => turn.rate))),
    },
    missed: Object.entries(PROMISED)
      .filter(([name, least]) => (ratios[name] ?? 0) < least)
      .map(([name, least]) => `${name} is ${ratios[name]} of plain; promised ${least}`),
  };
}

async function takeTurn(pair: Pair): Promise<void> {
  const { server, caller } = pair;
  const before = [await server.cpuMs(), await caller.cpuMs()] as const;
  const ran = await caller.run({ type: "run", durationMs: TURN_MS, inFlight: IN_FLIGHT });
  pair.serverCpuMs += (await server.cpuMs()) - before[0];
  pair.callerCpuMs += (await caller.cpuMs()) - before[1];
  pair.calls += ran.calls;
  pair.turns.push({ rate: (ran.calls / ran.elapsedMs) * 1000, p50Ms: ran.p50Ms, p99Ms: ran.p99Ms });
}

/** Each turn is compared with the base's turn next to it, which had the same machine. */
function ratio(pair: Pair, base: Pair): number {
  return median(pair.turns.map((turn, index) => turn.rate / (base.turns[index]?.rate ?? Number.NaN)));
}
