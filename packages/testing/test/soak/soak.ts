import { setTimeout as wait } from "node:timers/promises";
import { connectData } from "../jobs/direct.ts";
import { storedRecords } from "../jobs/stored-jobs.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { randomOf } from "../resilience/kit/random.ts";
import { askForJobs, askForOperations } from "./ask-mill.ts";
import { readEffects } from "./effects.ts";
import { fillJobs } from "./fill-jobs.ts";
import { judgeJobs } from "./judge-jobs.ts";
import { judgeOperations } from "./judge-operations.ts";
import { startLoad, type Load } from "./load.ts";
import { settledMemoryOf } from "./memory.ts";
import { buildMillTown, type MillTown } from "./mill-town.ts";
import { startNemesis } from "./nemesis.ts";
import { storedOperations } from "./stored-operations.ts";
import type { Victim, VictimKind } from "./victim.ts";

export interface SoakOptions {
  readonly seed: number;
  /** How many are begun while the nemesis is at it; a fifth more before anybody is hurt. */
  readonly jobs: number;
  readonly operations: number;
  /** They are begun evenly over this long, or longer when the platform cannot keep up. */
  readonly overMs: number;
  /** Kills and pauses at least; jobs and operations come as long as there were fewer. */
  readonly deeds: number;
  readonly longestPauseMs: number;
  /** Room for all records. */
  readonly jobsMaxBytes: string;
  /** Makes memory before and after comparable: the job stream is full from the start, and everybody has begun anew with that. */
  readonly comparesMemory: boolean;
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
  /** How many were accepted, and how often one was claimed: more when work was taken over. */
  readonly done: ReadonlyMap<string, number>;
  readonly claims: ReadonlyMap<string, number>;
  /** What programs said last that ended although nobody killed them. */
  readonly endedByThemselves: readonly string[];
}

const CALM_SHARE = 0.2;
const PROGRESS_MS = 5_000;
/** How long recovery may take without a single answer once nobody is hurt any more. */
const STANDSTILL_MS = 120_000;
const RENEWED_MS = 120_000;
/**
 * Go collects the garbage of a server with nothing to do two minutes after the last time, and gives it back after that: in 150 s some
 * of three servers had not, with 45 MB of 375 in use.
 */
const SETTLE_MS = 300_000;

/** Jobs and operations over a whole platform whose processes are killed and paused; the streams say what became of them. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, deeds, longestPauseMs, onProgress } = options;
  await using town = await buildMillTown(options.jobsMaxBytes);
  const { victims, platform } = town;
  const settleMs = options.comparesMemory ? SETTLE_MS : 0;

  await using data = await connectData(platform);
  if (options.comparesMemory) {
    onProgress("fills the job stream");
    await fillJobs(data);
  }
  const calm = begin(town, options, "calm", CALM_SHARE, () => false);
  await untilAnswered(calm, onProgress);
  if (options.comparesMemory) {
    onProgress("lets every process begin anew");
    await renew(victims);
  }
  const memoryBefore = await settledMemoryOf(victims, settleMs);

  const nemesis = startNemesis({ victims, seed, longestPauseMs, onDeed: onProgress });
  const rough = begin(town, options, "rough", 1, () => sum(nemesis.kills) + sum(nemesis.pauses) < deeds);
  const complete = untilTrue(() => rough.every((load) => load.complete), rough, onProgress);
  await Promise.race([complete, nemesis.failed]);
  await nemesis.stop();
  await untilAnswered(rough, onProgress);
  const memoryAfter = await settledMemoryOf(victims, settleMs);

  const read = <T>(what: Promise<T>): Promise<T | undefined> => what.catch(() => undefined);
  const stored = await eventually("the jobs can be read", () => read(storedRecords(data)));
  const records = stored.filter(({ service }) => service === "mill");
  const operations = await eventually("the operations can be read", () => read(storedOperations(data, "mill")));
  const effects = readEffects(town.effects);
  const accepted = (name: string) =>
    new Map([...calm, ...rough].filter((load) => load.name === name).flatMap((load) => [...load.accepted]));
  return {
    wrong: [
      ...judgeJobs(accepted("jobs"), records, effects),
      ...judgeOperations(accepted("operations"), operations, effects),
    ],
    kills: nemesis.kills,
    pauses: nemesis.pauses,
    memoryBefore,
    memoryAfter,
    done: new Map([...calm, ...rough].map(({ name }) => [name, accepted(name).size])),
    claims: new Map([
      ["jobs", records.filter(({ event }) => event === "started").length],
      [
        "operations",
        [...operations.values()].flatMap(({ kinds }) => kinds.filter((kind) => kind === "claimed")).length,
      ],
    ]),
    endedByThemselves: town.ended,
  };
}

/** Kills each once and waits until its successor is of use. */
async function renew(victims: readonly Victim[]): Promise<void> {
  for (const victim of victims) {
    await victim.kill();
    await victim.start();
    await eventually(`${victim.name} is back`, () => victim.useful, RENEWED_MS);
  }
}

/** Begins a share of the jobs and operations. */
function begin(
  town: MillTown,
  options: SoakOptions,
  phase: string,
  share: number,
  more: () => boolean,
): readonly Load[] {
  const { seed, jobs, operations, overMs } = options;
  const keys = `${phase} ${seed}`;
  const random = randomOf(seed);
  const load = (name: string, count: number, ask: Parameters<typeof startLoad>[0]["ask"]): Load =>
    startLoad({ name, count: Math.round(count * share), more, everyMs: overMs / count, ask });
  return [
    load("jobs", jobs, askForJobs(town.customer, keys, random)),
    load("operations", operations, askForOperations(town.client, keys, random)),
  ];
}

/** Until every wait is answered, or nothing moves any more: then the verdict says what is missing. */
async function untilAnswered(loads: readonly Load[], onProgress: (line: string) => void): Promise<void> {
  let answered = -1;
  let movedAt = performance.now();
  await untilTrue(
    () => {
      const now = loads.reduce((all, load) => all + load.answered, 0);
      if (now !== answered) movedAt = performance.now();
      answered = now;
      const done = loads.every((load) => load.complete && load.answered === load.begun);
      return done || performance.now() - movedAt > STANDSTILL_MS;
    },
    loads,
    onProgress,
  );
}

async function untilTrue(
  condition: () => boolean,
  loads: readonly Load[],
  onProgress: (line: string) => void,
): Promise<void> {
  for (let toldAt = performance.now(); !condition(); await wait(50)) {
    if (performance.now() - toldAt < PROGRESS_MS) continue;
    toldAt = performance.now();
    onProgress(
      loads
        .map(({ name, begun, answered, again }) => `${answered} of ${begun} ${name} done, ${again} requests repeated`)
        .join("; "),
    );
  }
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}
