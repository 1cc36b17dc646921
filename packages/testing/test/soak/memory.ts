import { spawnSync } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import type { Victim, VictimKind } from "./victim.ts";

/** Megabytes a process of each kind has in memory, on average. */
export function memoryOf(victims: readonly Victim[]): ReadonlyMap<VictimKind, number> {
  return new Map(
    [...Map.groupBy(victims, ({ kind }) => kind)].map(([kind, all]) => [
      kind,
      all.reduce((sum, { pid }) => sum + residentMb(pid), 0) / all.length,
    ]),
  );
}

/** The least each kind had while nothing happened: garbage is given back at some time, and not at the same one everywhere. */
export async function settledMemoryOf(
  victims: readonly Victim[],
  withinMs: number,
): Promise<ReadonlyMap<VictimKind, number>> {
  const least = new Map(memoryOf(victims));
  for (const end = performance.now() + withinMs; performance.now() < end; await wait(LOOK_MS))
    for (const [kind, mb] of memoryOf(victims)) least.set(kind, Math.min(mb, least.get(kind) ?? mb));
  return least;
}

function residentMb(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  return Number(stdout.trim()) / 1_024;
}

const LOOK_MS = 5_000;
/** What may be more than before. */
const GROWTH = 0.2;

/** The kinds of process that have grown, and how much. */
export function grown(
  before: ReadonlyMap<VictimKind, number>,
  after: ReadonlyMap<VictimKind, number>,
): readonly string[] {
  return [...after].flatMap(([kind, mb]) => {
    const was = before.get(kind) ?? 0;
    return mb <= was * (1 + GROWTH) ? [] : [`${kind} has grown from ${Math.round(was)} to ${Math.round(mb)} MB`];
  });
}
