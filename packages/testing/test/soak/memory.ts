import { spawnSync } from "node:child_process";
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

function residentMb(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
  return Number(stdout.trim()) / 1_024;
}

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
