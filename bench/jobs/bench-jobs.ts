import { loadavg } from "node:os";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import { openArena, type Durability, type Standing } from "./arena.ts";
import { WORKERS } from "./contender.ts";

/** Turns of a second or two, each compared with its neighbours: a busy moment of a shared machine spoils one of them. */
const TURNS: { readonly [D in Durability]: { readonly turns: number; readonly jobs: number } } = {
  written: { turns: 5, jobs: 10_000 },
  "on disk": { turns: 3, jobs: 2_000 },
};
/** One by one in transactions: a tenth is enough to see how quick that is. */
const FEWER = new Set(["graphile-plain"]);
const IDLE_TIMES = 80;

/** What a job from its creation to its recorded end must reach of others, and how soon an idle worker has it. */
const PROMISED = { bare: 0.6, "graphile-batched": 1.2, bullmq: 1.5, idlePickUpMs: 3 } as const;

interface Measured {
  readonly name: string;
  readonly setting: string;
  /** A turn each, jobs a second. */
  readonly accepted: number[];
  readonly ended: number[];
  /** Processor time a job, of creator, worker and servers together. */
  readonly cpuUs: number[];
  readonly pickUpMs: readonly number[];
}

/**
 * Jobs that do nothing, from their creation to their recorded end, here and with others, in turns. `32` at a time in one
 * worker process; the creator is a process of its own. First everybody acknowledges what is written, which no killed
 * process loses; then what is on the disk. Promises are about the first.
 */
export async function run(): Promise<BenchResult> {
  const written = await measure("written");
  const onDisk = await measure("on disk");
  const trellis = written.measured.find(({ name }) => name === "trellis");
  if (trellis === undefined) throw new Error("Trellis did not take part.");
  const ratios = Object.fromEntries(
    written.measured.filter((each) => each !== trellis).map((each) => [each.name, ratioOf(trellis, each)]),
  );
  const pickUp = median(trellis.pickUpMs);
  const missed = (["bare", "graphile-batched", "bullmq"] as const).flatMap((name) => {
    const ratio = ratios[name];
    return ratio === undefined || ratio >= PROMISED[name]
      ? []
      : [`full lives of jobs: ${ratio} of ${name}; promised ${PROMISED[name]}`];
  });
  if (pickUp >= PROMISED.idlePickUpMs)
    missed.push(`idle pick-up p50: ${round(pickUp)} ms; promised < ${PROMISED.idlePickUpMs}`);
  return {
    bench: "jobs",
    columns: [
      "who",
      "acknowledged",
      "setting",
      "accepted/s",
      "ended/s",
      "trellis is",
      "CPU µs",
      "pick-up p50",
      "p99",
      "note",
    ],
    rows: [
      ...written.measured.map((each) => rowOf(each, "when written", trellis)),
      ...onDisk.measured.map((each) => rowOf(each, "on disk", onDisk.measured[0])),
      ...written.skipped.map((why) => ["skipped", "", "", "", "", "", "", "", "", why]),
    ],
    ratios,
    facts: {
      cpuUsPerJob: Math.round(median(trellis.cpuUs)),
      load: round(loadavg()[0] ?? 0, 1),
      acceptedPerSecond: Math.round(median(trellis.accepted)),
      endedPerSecond: Math.round(median(trellis.ended)),
      idlePickUpMs: round(pickUp),
      skipped: written.skipped.join("; "),
    },
    missed,
  };
}

async function measure(
  durability: Durability,
): Promise<{ readonly measured: readonly Measured[]; readonly skipped: readonly string[] }> {
  await using arena = await openArena(durability);
  const { turns, jobs } = TURNS[durability];
  const measured: Measured[] = [];
  for (const { name, setting, idle } of arena.standing)
    measured.push({ name, setting, accepted: [], ended: [], cpuUs: [], pickUpMs: await pickUps(idle) });
  for (let turn = -1; turn < turns; turn += 1) {
    for (const [at, { name, creator, cpuMs }] of arena.standing.entries()) {
      const before = cpuMs();
      const count = FEWER.has(name) ? jobs / 10 : jobs;
      const { acceptedMs, endedMs } = await creator.run(count);
      // The first turn is for the compilers.
      if (turn < 0) continue;
      measured[at]?.accepted.push(count / (acceptedMs / 1_000));
      measured[at]?.ended.push(count / (endedMs / 1_000));
      measured[at]?.cpuUs.push(((cpuMs() - before) * 1_000) / count);
    }
  }
  return { measured, skipped: arena.skipped };
}

async function pickUps(idle: Standing["idle"]): Promise<readonly number[]> {
  if (idle === undefined) return [];
  await idle.pickUp(IDLE_TIMES / 2);
  return idle.pickUp(IDLE_TIMES);
}

/** The median over the turns of ours ÷ theirs next to it. */
function ratioOf(trellis: Measured, other: Measured): number {
  return round(median(trellis.ended.map((rate, turn) => rate / (other.ended[turn] ?? Number.NaN))));
}

function rowOf(each: Measured, meaning: string, trellis: Measured | undefined): readonly string[] {
  const sorted = each.pickUpMs.toSorted((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor(sorted.length * share)]?.toFixed(2) ?? "";
  return [
    each.name,
    meaning,
    each.setting,
    String(Math.round(median(each.accepted))),
    String(Math.round(median(each.ended))),
    trellis === undefined || trellis === each ? "" : `${ratioOf(trellis, each)} ×`,
    String(Math.round(median(each.cpuUs))),
    at(0.5),
    at(0.99),
    NOTES[each.name] ?? "",
  ];
}

const NOTES: { readonly [name: string]: string } = {
  trellis: `added one by one; what is added, claimed and completed at about the same time shares records, which stay; projection running; ${WORKERS} at a time everywhere`,
  bare: "the same three records published by nats.js, nobody works",
  bullmq: "added one by one; ended jobs stay in Redis",
  "graphile-plain": "added one by one; ended jobs are deleted",
  "graphile-batched": "added by the hundred, taken and ended in batches; ended jobs are deleted",
};
