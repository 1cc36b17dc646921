import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { SERVICE_NAME } from "../rpc/trellis-access.ts";
import { median } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";

const SERVICE_KEYS = 10;
const IN_FLIGHT = 32;
const WARM_UP_MS = 1000;
const TURNS = 5;
const TURN_MS = 2000;
const AT_ONCE = 300;

/** Promises of design/performance.md. */
const PROMISED_PER_SECOND = 500;

/** How fast the auth callout lets participants in, with one replica of the control plane, and whether a crowd gets in. */
export async function run(): Promise<BenchResult> {
  await using platform = await startPlatform();
  const keys = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(keys, { recursive: true, force: true }));
  await provision(platform, keys);
  const script = join(import.meta.dirname, "connecting-process.ts");
  const { keyFile } = platform.local.developer;
  const crowd = stack.use(await WorkerProcess.start(script, [platform.url, keyFile, keys]));

  await crowd.run({ type: "run", durationMs: WARM_UP_MS, inFlight: IN_FLIGHT });
  const rates: number[] = [];
  const latencies: number[] = [];
  const before = process.cpuUsage();
  let connections = 0;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const ran = await crowd.run({ type: "run", durationMs: TURN_MS, inFlight: IN_FLIGHT });
    connections += ran.calls;
    rates.push((ran.calls / ran.elapsedMs) * 1000);
    latencies.push(ran.p50Ms);
  }
  // The control plane runs in this process, which otherwise waits.
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000 / connections;
  const burst = await crowd.ask({ type: "burst", count: AT_ONCE }, "burst");
  const perSecond = Math.round(median(rates));
  return {
    bench: "connect",
    columns: ["what", "measured", "promised"],
    rows: [
      [`connections a second, ${IN_FLIGHT} in flight`, String(perSecond), `>= ${PROMISED_PER_SECOND}`],
      ["until one is let in, median", `${median(latencies).toFixed(1)} ms`, ""],
      ["work of the control plane for one", `${cpuMs.toFixed(2)} ms CPU`, ""],
      [`refused of ${AT_ONCE} at once`, String(burst.failed), "0"],
      [`until all ${AT_ONCE} are in`, `${Math.round(burst.elapsedMs)} ms`, ""],
    ],
    ratios: { promise: Number((perSecond / PROMISED_PER_SECOND).toFixed(2)) },
    facts: {
      connectsPerSecond: perSecond,
      refused: burst.failed,
      burstMs: Math.round(burst.elapsedMs),
      cpuMs: Number(cpuMs.toFixed(2)),
    },
    missed: [
      ...(perSecond < PROMISED_PER_SECOND
        ? [`${perSecond} connections a second; promised ${PROMISED_PER_SECOND}`]
        : []),
      ...(burst.failed > 0 ? [`${burst.failed} of ${AT_ONCE} were refused: ${burst.firstFailure ?? ""}`] : []),
    ],
  };
}

/** A deployment whose instances have these keys; it accepts the contract they present. */
async function provision(platform: TestPlatform, folder: string): Promise<void> {
  const { auth } = platform.admin.rpc;
  await auth.deploymentsCreate({ name: SERVICE_NAME, mode: "mutable-dev" }).orThrow();
  for (let count = 0; count < SERVICE_KEYS; count += 1) {
    const seed = newSeed();
    writeSeedFile(join(folder, `${count}.seed`), seed);
    await auth.instancesProvision({ deployment: SERVICE_NAME, sessionKey: nodeSessionKey(seed).publicKey }).orThrow();
  }
}
