/**
 * A contender of the jobs benchmark: one way to hand out work that survives. Creator and worker run in processes of
 * their own; each process loads this module and plays one side.
 */
export interface JobsContender {
  /** Takes jobs, `WORKERS` at a time, and does nothing with them but call this. */
  work(queue: Queue, ran: () => void): Promise<void>;
  /** Connects to create jobs. */
  creator(queue: Queue): Promise<JobsCreator>;
}

export interface JobsCreator {
  /** Stores jobs, with as many under way as this contender does best with; resolves when all are accepted. */
  create(count: number): Promise<void>;
  /** How many jobs of the queue have ended so far, as the store says. */
  ended(): Promise<number>;
}

/** Where throughput is measured, and where a single job is picked up. */
export type Queue = "work" | "idle";

/** Jobs one worker process runs at a time. */
export const WORKERS = 32;
/** Jobs a creator has under way at a time. */
const IN_FLIGHT = 256;

/** About as large as what people put into a queue. */
export const TEXT = "x".repeat(200);

/** Does the work so many times, so many at once. */
export async function many(count: number, work: (n: number) => Promise<void>, inFlight = IN_FLIGHT): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < count) await work((next += 1));
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}

/** Reads what the parent says about where things are. */
export function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}
