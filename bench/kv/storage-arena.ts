import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import type { FromWorker } from "../contender.ts";
import { startPlainServer } from "../plain-server.ts";
import { natsServerCpu } from "../server-cpu.ts";
import { median } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";

const DEPLOYMENT = "bench";

/** Which key the service of the benchmark has. */
export const SERVICE_KEY_FILE = "BENCH_SERVICE_KEY_FILE";

/** Which key the caller of the benchmark has. */
export const CALLER_KEY_FILE = "BENCH_CALLER_KEY_FILE";

export type Side = "raw" | "trellis";

/** A bare nats-server with JetStream, and a whole platform with a service, each with its worker processes. */
export interface StorageArena extends AsyncDisposable {
  start(side: Side, task: string): Promise<WorkerProcess>;
  /** Processor time the nats-server of a side has used so far. */
  readonly serverCpuMs: { readonly [S in Side]: () => Promise<number> };
}

/** What tells the processor time of the nats-server of each side. */
export async function serversCpu(plainDirectory: string, platform: TestPlatform): Promise<StorageArena["serverCpuMs"]> {
  const [node] = platform.local.nats.nodes;
  if (node === undefined) throw new Error("the platform runs no nats-server");
  return { raw: await natsServerCpu(plainDirectory), trellis: await natsServerCpu(node.directory) };
}

export async function startStorageArena(script: string): Promise<StorageArena> {
  await using started = new AsyncDisposableStack();
  const plain = started.use(await startPlainServer({ jetStream: true }));
  const platform = started.use(await startPlatform());
  const directory = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  started.defer(() => rm(directory, { recursive: true, force: true }));
  const seed = newSeed();
  const keyFile = join(directory, "service.seed");
  writeSeedFile(keyFile, seed);
  await platform.admin.rpc.auth.deploymentsCreate({ name: DEPLOYMENT, mode: "mutable-dev" }).orThrow();
  await platform.admin.rpc.auth
    .instancesProvision({ deployment: DEPLOYMENT, sessionKey: nodeSessionKey(seed).publicKey })
    .orThrow();
  const serverCpuMs = await serversCpu(plain.directory, platform);
  const workers = started.use(new AsyncDisposableStack());
  const resources = started.move();
  return {
    async start(side, task) {
      const address = side === "raw" ? plain.address : platform.url;
      return workers.use(
        await WorkerProcess.start(script, [side, task, address], {
          [SERVICE_KEY_FILE]: keyFile,
          [CALLER_KEY_FILE]: platform.local.developer.keyFile,
        }),
      );
    },
    serverCpuMs,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

type Ran = FromWorker & { type: "ran" };

export interface Compared {
  readonly raw: number;
  readonly trellis: number;
  /** Of neighbouring turns, which had the same machine. */
  readonly ratio: number;
  readonly p50Ms: { readonly [S in Side]: number };
  /** Processor time of one operation, in microseconds: it moves far less than rates when others use the machine. */
  readonly cpuMicros: { readonly [S in Side]: { readonly worker: number; readonly server: number } };
}

/** Both sides take turns at one task. */
export async function compare(
  arena: StorageArena,
  task: string,
  options: { readonly turns: number; readonly durationMs: number; readonly inFlight: number },
): Promise<Compared> {
  const { turns, durationMs, inFlight } = options;
  await using raw = await arena.start("raw", task);
  await using trellis = await arena.start("trellis", task);
  const ran: { [S in Side]: Ran[] } = { raw: [], trellis: [] };
  const used = { raw: { worker: 0, server: 0 }, trellis: { worker: 0, server: 0 } };
  for (let turn = 0; turn <= turns; turn += 1) {
    for (const [side, worker] of [
      ["raw", raw],
      ["trellis", trellis],
    ] as const) {
      const before = [await worker.cpuMs(), await arena.serverCpuMs[side]()] as const;
      const result = await worker.run({ type: "run", durationMs, inFlight });
      // The first turn warms up.
      if (turn === 0) continue;
      ran[side].push(result);
      used[side].worker += (await worker.cpuMs()) - before[0];
      used[side].server += (await arena.serverCpuMs[side]()) - before[1];
    }
  }
  const cpuMicros = (side: Side) => {
    const calls = ran[side].reduce((sum, each) => sum + each.calls, 0);
    return { worker: (used[side].worker / calls) * 1000, server: (used[side].server / calls) * 1000 };
  };
  const rate = ({ calls, elapsedMs }: Ran): number => (calls / elapsedMs) * 1000;
  return {
    raw: median(ran.raw.map(rate)),
    trellis: median(ran.trellis.map(rate)),
    ratio: median(ran.trellis.map((each, turn) => rate(each) / rate(ran.raw[turn] ?? each))),
    p50Ms: { raw: median(ran.raw.map(({ p50Ms }) => p50Ms)), trellis: median(ran.trellis.map(({ p50Ms }) => p50Ms)) },
    cpuMicros: { raw: cpuMicros("raw"), trellis: cpuMicros("trellis") },
  };
}
