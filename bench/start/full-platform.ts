import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPlatform } from "@trellis/testing";
import { ok } from "@trellis/result";
import { freePort } from "../plain-server.ts";
import { benchService } from "../rpc/contracts.ts";
import { SERVICE_NAME } from "../rpc/trellis-access.ts";
import { fillRegistry, untilMaterialized } from "./full-registry.ts";

const MAIN = join(import.meta.dirname, "../../packages/platform/src/main.ts");
const WITHIN_MS = 60_000;
/** The work that follows readiness (the first reconciliation sweep) may need memory too. */
const SETTLE_MS = 5_000;

export interface FullStart {
  readonly readyMs: number;
  readonly rssMb: number;
  /** The most it ever held, as the system counted. */
  readonly peakMb: number;
}

/** Starts another replica, as a process of its own, on a registry with this many deployments. */
export async function timeFullStart(deployments: number): Promise<FullStart> {
  await using platform = await startPlatform();
  const [controlPlane] = platform.local.controlPlanes;
  if (controlPlane === undefined) throw new Error("the platform has no control plane");
  const service = await platform.connectService(benchService, { name: SERVICE_NAME });
  service.handle.rpc.bench.ask(({ input }) => ok(input));
  await service.start();
  await untilMaterialized(controlPlane, SERVICE_NAME);
  await fillRegistry(controlPlane, SERVICE_NAME, deployments);

  const httpPort = await freePort();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [MAIN], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      TRELLIS_HTTP_PORT: String(httpPort),
      TRELLIS_NATS_SERVERS: platform.local.nats.servers.join(","),
      TRELLIS_OPERATOR_DIR: join(platform.local.directory, "operator"),
    },
  });
  const log = createWriteStream(join(platform.local.directory, "logs", "full.log"));
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const gone = once(child, "exit");
  let ended = false;
  child.once("exit", () => (ended = true));
  try {
    while (!(await isReady(httpPort))) {
      if (ended || performance.now() - startedAt > WITHIN_MS) throw new Error("the control plane did not get ready");
      await sleep(20);
    }
    const readyMs = performance.now() - startedAt;
    await sleep(SETTLE_MS);
    return { readyMs, rssMb: await memoryMb(child.pid, "VmRSS"), peakMb: await memoryMb(child.pid, "VmHWM") };
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

async function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/readyz`).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** Linux only: elsewhere there is no portable way to ask about another process. */
async function memoryMb(pid: number | undefined, line: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const [, kilobytes] = new RegExp(`^${line}:\\s+(\\d+) kB`, "m").exec(status) ?? [];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) / 1024;
}
