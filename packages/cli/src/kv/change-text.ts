import type { Terminal } from "../terminal.ts";

/** A change of a bucket as the platform tells it. */
export interface BucketChange {
  readonly type: "put" | "end" | "ready";
  readonly key?: string;
  readonly value?: unknown;
  readonly problem?: string;
  readonly reason?: string;
  readonly revision?: number;
  readonly at?: string;
}

/** One change on one line. */
export function printChange(terminal: Terminal, change: BucketChange): void {
  const { colors } = terminal;
  const { type, key = "", value, problem, reason = "ended", revision, at = "" } = change;
  if (type === "ready") return terminal.note("that is what there is; changes follow");
  const what =
    type === "end" ? colors.red(reason) : problem === undefined ? JSON.stringify(value) : colors.yellow(problem);
  terminal.print(`${colors.dim(`${at} #${revision}`)} ${colors.cyan(key)} ${what}`);
}
