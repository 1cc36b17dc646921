import { setTimeout as wait } from "node:timers/promises";

/** What waiting for a job or an operation answered. */
export interface Answer {
  readonly state: string;
  readonly result?: unknown;
  /** Of one that failed. */
  readonly why?: string;
}

/** Something that was accepted and comes to an end. */
export interface Accepted {
  readonly id: string;
  /** `undefined` when it could not be asked: then it is asked again. */
  wait(): Promise<Answer | undefined>;
}

export interface LoadOptions {
  readonly name: string;
  /** At least so many. */
  readonly count: number;
  /** Whether there are to be more after that. */
  readonly more: () => boolean;
  /** One begins this long after the one before, or later when too many are under way. */
  readonly everyMs: number;
  /** Asks for the n-th; `undefined` when it is not known to be accepted: then it is asked for again. */
  readonly ask: (n: number) => Promise<Accepted | undefined>;
}

export interface Load {
  readonly name: string;
  /** By id; `undefined` while the wait is not answered. */
  readonly accepted: ReadonlyMap<string, Answer | undefined>;
  /** How many were asked for so far. */
  readonly begun: number;
  /** Nothing more will be asked for. */
  readonly complete: boolean;
  readonly answered: number;
  /** Requests and waits that had to be tried again. */
  readonly again: number;
}

const UNDER_WAY = 400;
const AGAIN_MS = 100;

/** Asks for one after the other and waits for each, as long as it takes. */
export function startLoad({ name, count, more, everyMs, ask }: LoadOptions): Load {
  const accepted = new Map<string, Answer | undefined>();
  const startedAt = performance.now();
  let begun = 0;
  let complete = false;
  let answered = 0;
  let again = 0;
  /** Tries until something else than trouble on the way comes. */
  const insist = async <T>(request: () => Promise<T | undefined>): Promise<T> => {
    for (;;) {
      const answer = await request();
      if (answer !== undefined) return answer;
      again += 1;
      await wait(AGAIN_MS);
    }
  };
  const one = async (n: number): Promise<void> => {
    const work = await insist(() => ask(n));
    accepted.set(work.id, undefined);
    accepted.set(work.id, await insist(() => work.wait()));
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
    name,
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
