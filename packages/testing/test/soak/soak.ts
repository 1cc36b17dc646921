import { setTimeout as wait } from "node:timers/promises";
import { connectData } from "../jobs/direct.ts";
import { storedRecords } from "../jobs/stored-jobs.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { randomOf } from "../resilience/kit/random.ts";
import { readEffects } from "./effects.ts";
import { startJobLoad, type JobLoad } from "./load.ts";
import { memoryOf } from "./memory.ts";
import { buildMillTown } from "./mill-town.ts";
import { startNemesis } from "./nemesis.ts";
import { judgeJobs } from "./verdict.ts";
import type { VictimKind } from "./victim.ts";

export interface SoakOptions {
  readonly seed: number;
  /** Jobs before anybody is hurt, and while the nemesis is at it. */
  readonly calmJobs: number;
  readonly jobs: number;
  /** Kills and pauses at least; jobs come as long as there were fewer. */
  readonly deeds: number;
  /** A job begins this long after the one before: so the jobs last as long as the nemesis is to last. */
  readonly everyMs: number;
  readonly longestPauseMs: number;
  /** Room for all records. */
  readonly jobsMaxBytes: string;
  readonly onProgress: (line: string) => void;
}

export interface SoakReport {
  /** What must not be; empty when everything holds. */
  readonly wrong: readonly string[];
  readonly kills: ReadonlyMap<VictimKind, number>;
  readonly pauses: ReadonlyMap<VictimKind, number>;
  /** Megabytes before the nemesis came and after everything was done. */
  readonly memoryBefore: ReadonlyMap<VictimKind, number>;
  readonly memoryAfter: ReadonlyMap<VictimKind, number>;
  /** Claims of jobs: more than jobs when work was taken over. */
  readonly claims: number;
  /** What programs said last that ended although nobody killed them. */
  readonly endedByThemselves: readonly string[];
}

const PROGRESS_MS = 5_000;
/** How long recovery may take without a single answer once nobody is hurt any more. */
const STANDSTILL_MS = 120_000;

/** Jobs over a whole platform whose processes are killed and paused; what became of them is read from the streams. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, calmJobs, jobs, deeds, everyMs, longestPauseMs, onProgress } = options;
  await using town = await buildMillTown(options.jobsMaxBytes);
  const { victims, platform, customer } = town;
  const random = randomOf(seed);
  const begin = (name: string, count: number, more: () => boolean): JobLoad =>
    startJobLoad({ queue: customer.jobs.grind, name: `${name} ${seed}`, count, more, everyMs, random });

  const calm = begin("calm", calmJobs, () => false);
  await untilAnswered(calm, onProgress);
  const memoryBefore = memoryOf(victims);

  const nemesis = startNemesis({ victims, seed, longestPauseMs, onDeed: onProgress });
  const rough = begin("rough", jobs, () => sum(nemesis.kills) + sum(nemesis.pauses) < deeds);
  await Promise.race([untilTrue(() => rough.complete, rough, onProgress), nemesis.failed]);
  await nemesis.stop();
  await untilAnswered(rough, onProgress);
  const memoryAfter = memoryOf(victims);

  await using data = await connectData(platform);
  const records = await eventually("the records can be read", () => storedRecords(data).catch(() => undefined));
  const accepted = new Map([...calm.accepted, ...rough.accepted]);
  return {
    wrong: judgeJobs(accepted, records, readEffects(town.effects)),
    kills: nemesis.kills,
    pauses: nemesis.pauses,
    memoryBefore,
    memoryAfter,
    claims: records.filter(({ event }) => event === "started").length,
    endedByThemselves: town.ended,
  };
}

/** Until every wait is answered, or nothing moves any more: then the verdict says what is missing. */
async function untilAnswered(load: JobLoad, onProgress: (line: string) => void): Promise<void> {
  let answered = -1;
  let movedAt = performance.now();
  await untilTrue(
    () => {
      if (load.answered !== answered) movedAt = performance.now();
      answered = load.answered;
      return (load.complete && answered === load.begun) || performance.now() - movedAt > STANDSTILL_MS;
    },
    load,
    onProgress,
  );
}

async function untilTrue(condition: () => boolean, load: JobLoad, onProgress: (line: string) => void): Promise<void> {
  for (let toldAt = performance.now(); !condition(); await wait(50)) {
    if (performance.now() - toldAt < PROGRESS_MS) continue;
    toldAt = performance.now();
    onProgress(
      `${load.begun} jobs asked for, ${load.accepted.size} accepted, ${load.answered} done, ${load.again} tries again`,
    );
  }
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}
