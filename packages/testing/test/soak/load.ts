import { setTimeout as wait } from "node:timers/promises";
import type { JobQueue } from "@trellis/jobs";
import { JobEnded } from "@trellis/jobs";

/** What waiting for a job answered. */
export interface Answer {
  readonly state: string;
  readonly result?: unknown;
}

export interface JobLoad {
  /** By id; `undefined` while the wait is not answered. */
  readonly accepted: ReadonlyMap<string, Answer | undefined>;
  /** Jobs that were asked for so far. */
  readonly begun: number;
  /** Nothing more will be asked for. */
  readonly complete: boolean;
  readonly answered: number;
  /** Creations and waits that had to be tried again. */
  readonly again: number;
}

export interface JobLoadOptions {
  readonly queue: JobQueue<{ n: number; ms: number }, { n: number; run: string }>;
  /** At least so many. */
  readonly count: number;
  /** Whether there are to be more after that. */
  readonly more: () => boolean;
  /** One begins this long after the one before, or later when too many are under way. */
  readonly everyMs: number;
  readonly random: () => number;
  /** In front of the keys. */
  readonly name: string;
}

const UNDER_WAY = 400;
const LONGEST_JOB_MS = 150;
const AGAIN_MS = 100;

/** Creates jobs and waits for each, as long as it takes. */
export function startJobLoad({ queue, count, more, everyMs, random, name }: JobLoadOptions): JobLoad {
  const accepted = new Map<string, Answer | undefined>();
  const startedAt = performance.now();
  let begun = 0;
  let complete = false;
  let answered = 0;
  let again = 0;
  /** Tries until something else than trouble on the way comes. */
  const insist = async <T>(ask: () => Promise<T | undefined>): Promise<T> => {
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      again += 1;
      await wait(AGAIN_MS);
    }
  };
  const one = async (n: number): Promise<void> => {
    const payload = { n, ms: Math.floor(random() * LONGEST_JOB_MS) };
    // The same key each time: however often it is tried, it is one job.
    const job = await insist(async () => {
      const created = await queue.create(payload, { key: `${name} ${n}` });
      return created.ok ? created.value : undefined;
    });
    accepted.set(job.id, undefined);
    const answer = await insist(async () => {
      const ended = await job.wait();
      if (ended.ok) return { state: "completed", result: ended.value };
      return ended.error instanceof JobEnded ? { state: ended.error.state } : undefined;
    });
    accepted.set(job.id, answer);
    answered += 1;
  };
  void (async () => {
    while (begun < count || more()) {
      await wait(Math.max(0, startedAt + begun * everyMs - performance.now()));
      while (begun - answered >= UNDER_WAY) await wait(everyMs);
      void one(begun);
      begun += 1;
    }
    complete = true;
  })();
  return {
    accepted,
    get begun() {
      return begun;
    },
    get complete() {
      return complete;
    },
    get answered() {
      return answered;
    },
    get again() {
      return again;
    },
  };
}
