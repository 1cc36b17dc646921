import { join } from "node:path";
import { startPlatform } from "@trellis/testing";
import { compare, serversCpu, type StorageArena } from "../kv/storage-arena.ts";
import { startPlainServer } from "../plain-server.ts";
import type { BenchResult } from "../report.ts";
import { round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";

const TASKS = {
  get: { inFlight: 16, says: "one entry of 250 B, from the leader, checked on both sides" },
  put: { inFlight: 16, says: "one entry read, compared and stored; raw stores blindly" },
  watch: { inFlight: 1, says: "from a put in one session until another has heard" },
} as const;

/** State next to a bare bucket. It goes through the control plane, signed and checked, so nothing is promised of the ratio. */
export async function run(): Promise<BenchResult> {
  await using arena = await startStateArena();
  const rows: string[][] = [];
  const ratios: { [task: string]: number } = {};
  const facts: { [name: string]: number } = {};
  for (const [task, { inFlight, says }] of Object.entries(TASKS)) {
    const { raw, trellis, ratio, p50Ms } = await compare(arena, task, { turns: 5, durationMs: 900, inFlight });
    ratios[task] = round(ratio);
    facts[`${task}P50Ms`] = round(p50Ms.trellis);
    rows.push([
      task,
      raw.toFixed(0),
      trellis.toFixed(0),
      ratio.toFixed(2),
      p50Ms.raw.toFixed(2),
      p50Ms.trellis.toFixed(2),
      says,
    ]);
  }
  return {
    bench: "state",
    columns: ["task", "raw/s", "trellis/s", "ratio", "raw p50 ms", "p50 ms", "what it does"],
    rows,
    ratios,
    facts,
    missed: [],
  };
}

/** A bare nats-server with JetStream, and a whole platform; the limit on requests is out of the way. */
async function startStateArena(): Promise<StorageArena> {
  await using started = new AsyncDisposableStack();
  const plain = started.use(await startPlainServer({ jetStream: true }));
  const platform = started.use(await startPlatform({ config: { stateRequestsPerSecond: 1_000_000 } }));
  const serverCpuMs = await serversCpu(plain.directory, platform);
  const workers = started.use(new AsyncDisposableStack());
  const resources = started.move();
  return {
    async start(side, task) {
      const address = side === "raw" ? plain.address : platform.url;
      const env = { BENCH_USER_KEY_FILE: platform.local.developer.keyFile };
      return workers.use(await WorkerProcess.start(join(import.meta.dirname, "worker.ts"), [side, task, address], env));
    },
    serverCpuMs,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
