import { setTimeout as pause } from "node:timers/promises";
import type { Result } from "@trellis/result";

export interface Failure {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: Error;
}

export interface Load {
  /** Calls that were answered so far. */
  readonly answered: number;
  readonly failures: readonly Failure[];
  /** Makes no further calls and waits for those under way. */
  stop(): Promise<void>;
}

/** Calls again and again, this many at a time, until stopped. A failed call is followed by a little rest. */
export function startLoad(
  call: (n: number) => PromiseLike<Result<unknown, Error>>,
  options: { readonly atOnce: number; readonly pauseMs?: number },
): Load {
  const { atOnce, pauseMs = 2 } = options;
  const failures: Failure[] = [];
  let answered = 0;
  let calls = 0;
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      const result = await call((calls += 1));
      if (result.ok) answered += 1;
      else {
        failures.push({ startedAt, endedAt: performance.now(), error: result.error });
        await pause(20);
      }
      if (pauseMs > 0) await pause(pauseMs);
    }
  };
  const loops = Promise.all(Array.from({ length: atOnce }, loop));
  return {
    get answered() {
      return answered;
    },
    failures,
    async stop() {
      stopping.abort();
      await loops;
    },
  };
}

/** The codes of the errors, each once. */
export function codesOf(failures: readonly Failure[]): readonly string[] {
  return [
    ...new Set(failures.map(({ error }) => ("code" in error ? String(error.code) : `${error.name}: ${error.message}`))),
  ].sort();
}
