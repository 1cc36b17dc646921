import { loadavg } from "node:os";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { localFiles } from "@trellis/platform";
import { startPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";

const WORKER = join(import.meta.dirname, "worker.ts");
const TURNS = 5;
const TURN_MS = 2_000;
const IN_FLIGHT = 128;
const SLEEPERS = 100_000;

const PROMISED = { threeSteps: 2_300, sleepersMb: 400 } as const;

/**
 * Operations that do nothing, from the caller's start to the recorded end it waited for, in turns with bare publishes of
 * the same records. Caller, service and the bare publisher are processes of their own; one replica, R1, `sync_interval` 2 m.
 */
export async function run(): Promise<BenchResult> {
  await using up = new AsyncDisposableStack();
  const platform = up.use(await startPlatform());
  await platform.admin.rpc.auth.deploymentsCreate({ name: "durable", mode: "mutable-dev" }).orThrow();
  const seedFile = join(platform.local.directory, "durable.seed");
  const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "durable", sessionKey: publicKey }).orThrow();
  const env = {
    TRELLIS_URL: platform.url,
    TRELLIS_SEED_FILE: seedFile,
    BENCH_USER_KEY: platform.local.developer.keyFile,
    BENCH_OPERATOR: localFiles(platform.local.directory).operator,
    BENCH_NATS: platform.local.nats.servers.join(","),
  };
  const begin = async (side: string): Promise<WorkerProcess> => up.use(await WorkerProcess.start(WORKER, [side], env));
  const service = await begin("serve");
  const [start, three, bare, pickUp] = await Promise.all([
    begin("start"),
    begin("three"),
    begin("bare"),
    begin("pickup"),
  ]);

  const rates = { start: [] as number[], three: [] as number[], bare: [] as number[] };
  for (let turn = -1; turn < TURNS; turn += 1) {
    for (const [name, side] of [
      ["three", three],
      ["bare", bare],
      ["start", start],
    ] as const) {
      const { calls, elapsedMs } = await side.run({ type: "run", durationMs: TURN_MS, inFlight: IN_FLIGHT });
      // The first turn is for the compilers.
      if (turn >= 0) rates[name].push(calls / (elapsedMs / 1_000));
      await pause(500);
    }
  }
  const idle = await pickUp.run({ type: "run", durationMs: 2_000, inFlight: 1 });
  const before = (await service.ask({ type: "usage" }, "usage")).rssMb;
  const sleep = await begin("sleep");
  const fell = performance.now();
  for (let started = 0; started < SLEEPERS; started += 1_000) {
    const { failed, firstFailure } = await sleep.ask({ type: "burst", count: 1_000 }, "burst");
    if (failed > 0) throw new Error(`${failed} sleepers were not accepted: ${firstFailure}`);
  }
  const acceptedMs = performance.now() - fell;
  await pause(15_000);
  const asleep = (await service.ask({ type: "usage" }, "usage")).rssMb;

  const threeRate = median(rates.three);
  const ratio = round(median(rates.three.map((rate, turn) => rate / (rates.bare[turn] ?? Number.NaN))));
  const missed: string[] = [];
  if (threeRate < PROMISED.threeSteps)
    missed.push(`three-step operations: ${Math.round(threeRate)}/s; promised ${PROMISED.threeSteps}`);
  if (asleep >= PROMISED.sleepersMb)
    missed.push(`${SLEEPERS} sleeping operations: ${Math.round(asleep)} MB; promised < ${PROMISED.sleepersMb}`);
  return {
    bench: "operations",
    columns: ["what", "a second", "note"],
    rows: [
      ["start", String(Math.round(median(rates.start))), "accepted is stored; the service runs them meanwhile"],
      [
        "three steps",
        String(Math.round(threeRate)),
        "started, run, ended and waited for; five records and an item each",
      ],
      ["bare", String(Math.round(median(rates.bare))), "the same six records published by nats.js, nobody works"],
      ["alone", `${round(idle.p50Ms)} ms`, "one at a time, from the start to the answer of wait (p50)"],
      ["sleepers", `${Math.round(asleep)} MB`, `${SLEEPERS} asleep on one replica; ${Math.round(before)} MB before`],
    ],
    ratios: { bare: ratio },
    facts: {
      load: round(loadavg()[0] ?? 0, 1),
      startPerSecond: Math.round(median(rates.start)),
      threeStepsPerSecond: Math.round(threeRate),
      idleMs: round(idle.p50Ms),
      sleepersMb: Math.round(asleep),
      sleepersPerSecond: Math.round(SLEEPERS / (acceptedMs / 1_000)),
    },
    missed,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
