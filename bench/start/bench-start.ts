import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { median } from "../statistics.ts";
import { timeFullStart } from "./full-platform.ts";
import { timeTrellisUp, type Up } from "./trellis-up.ts";

const TIMES = 5;
const DEPLOYMENTS = 10_000;

/** Promises of design/performance.md. */
const PROMISED = { upReadyMs: 2_000, startPlatformMs: 1_500, fullReadyMs: 5_000, fullRssMb: 300 } as const;

/** How long people, tests and operators wait for a platform. */
export async function run(): Promise<BenchResult> {
  const ups = await timeUps();
  const starts: number[] = [];
  for (let time = 0; time < TIMES; time += 1) starts.push(await timeStartPlatform());
  const full = await timeFullStart(DEPLOYMENTS);

  const measured = {
    upReadyMs: median(ups.warm.map((up) => up.readyMs)),
    startPlatformMs: median(starts),
    fullReadyMs: full.readyMs,
    fullRssMb: full.rssMb,
  };
  const describe: Readonly<Record<keyof typeof PROMISED, string>> = {
    upReadyMs: "`trellis up` until ready, ms",
    startPlatformMs: "startPlatform() in a test, ms",
    fullReadyMs: `control plane with ${DEPLOYMENTS} deployments until ready, ms`,
    fullRssMb: "its memory 5 s later, MB",
  };
  const names = Object.keys(PROMISED).filter((name): name is keyof typeof PROMISED => name in PROMISED);
  const whole = (value: number) => String(Math.round(value));
  return {
    bench: "start",
    columns: ["what", "measured", "promised"],
    rows: [
      ["`trellis up` in a new folder until ready, ms", whole(ups.cold.readyMs), ""],
      ...names.map((name) => [describe[name], whole(measured[name]), `< ${PROMISED[name]}`]),
      ["`trellis up` until the first answer, ms", whole(median(ups.warm.map((up) => up.firstAnswerMs))), ""],
      ["most memory that control plane ever held, MB", whole(full.peakMb), ""],
    ],
    ratios: Object.fromEntries(names.map((name) => [name, Number((measured[name] / PROMISED[name]).toFixed(2))])),
    facts: Object.fromEntries(names.map((name) => [name, Math.round(measured[name])])),
    missed: names
      // Written so that what could not be measured counts as missed.
      .filter((name) => !(measured[name] < PROMISED[name]))
      .map((name) => `${describe[name]}: ${whole(measured[name])}; promised < ${PROMISED[name]}`),
  };
}

/** The first start makes keys and streams; the others find them. */
async function timeUps(): Promise<{ readonly cold: Up; readonly warm: readonly Up[] }> {
  const folder = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  try {
    const cold = await timeTrellisUp(folder);
    const warm: Up[] = [];
    for (let time = 0; time < TIMES; time += 1) warm.push(await timeTrellisUp(folder));
    return { cold, warm };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function timeStartPlatform(): Promise<number> {
  const startedAt = performance.now();
  await using platform = await startPlatform();
  void platform.url;
  return performance.now() - startedAt;
}
