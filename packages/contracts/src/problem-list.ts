import { LIMITS } from "./limits.ts";
import type { Problem } from "./schema-problems.ts";

/** Collects problems up to what anybody would read. */
export class ProblemList {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];

  problem(path: string, message: string, fix?: string): void {
    add(this.problems, path, message, fix);
  }

  warn(path: string, message: string, fix?: string): void {
    add(this.warnings, path, message, fix);
  }
}

function add(list: Problem[], path: string, message: string, fix: string | undefined): void {
  if (list.length >= LIMITS.problems.value) return;
  list.push(fix === undefined ? { path, message } : { path, message, fix });
}
