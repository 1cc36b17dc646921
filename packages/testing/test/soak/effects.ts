import { appendFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Run } from "./contract.ts";

/** One thing a handler did to the world. */
export interface Effect {
  /** The job or operation. */
  readonly of: string;
  readonly what: string;
  /** Which run of it did that. */
  readonly run: Run;
}

/** Writes down what handlers do, in a file of this process's own that SIGKILL cannot take back. */
export function openEffects(directory: string): (effect: Effect) => void {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${process.pid}-${Date.now()}.jsonl`);
  return (effect) => appendFileSync(file, `${JSON.stringify(effect)}\n`);
}

/** Everything handlers did, in all processes there were, by job or operation; in order within each process. */
export function readEffects(directory: string): ReadonlyMap<string, readonly Effect[]> {
  const effects = readdirSync(directory).flatMap((file) =>
    readFileSync(join(directory, file), "utf8")
      .split("\n")
      .flatMap((line) => {
        // A process that was killed may have left half a line.
        if (!line.endsWith("}}")) return [];
        const value: unknown = JSON.parse(line);
        return isEffect(value) ? [value] : [];
      }),
  );
  return Map.groupBy(effects, ({ of }) => of);
}

function isEffect(value: unknown): value is Effect {
  return typeof value === "object" && value !== null && "of" in value && "what" in value && "run" in value;
}
