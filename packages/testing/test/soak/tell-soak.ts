import type { SoakReport } from "./soak.ts";

const MOST_LINES = 40;

/** A report for people. */
export function tellSoak(report: SoakReport): readonly string[] {
  const { kills, pauses, memoryBefore, memoryAfter, done, claims, wrong, endedByThemselves } = report;
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([kind, count]) => `${Math.round(count)} ${kind}`).join(", ");
  return [
    `killed: ${list(kills)}; paused: ${list(pauses)}`,
    `MB before: ${list(memoryBefore)}; after: ${list(memoryAfter)}`,
    `accepted: ${list(done)}; claims: ${list(claims)}`,
    ...endedByThemselves,
    ...wrong.slice(0, MOST_LINES).map((what) => `WRONG ${what}`),
    ...(wrong.length > MOST_LINES ? [`WRONG and ${wrong.length - MOST_LINES} more`] : []),
    wrong.length === 0 ? "everything accepted has ended, once, and every wait was answered" : "see above",
  ];
}
