import type { NatsConnection } from "@nats-io/nats-core";
import { JOBS_STREAM } from "@trellis/contracts";
import type { Log } from "../log.ts";
import { streamState } from "../registry/jetstream-api.ts";
import { readRecords } from "./job-records.ts";
import { type JobSummary, JobTable } from "./job-table.ts";

export interface JobProjection {
  readonly table: JobTable;
  /** Resolves when everything stored so far is in the table. */
  catchUp(): Promise<void>;
  /** The newest record of the stream, as of the last look. */
  readonly lastSequence: number;
  /** Records of the stream that are not in the table yet, as of the last look. */
  readonly behind: number;
  /** Hears of every job that changes. Returns what stops it. */
  onChange(listener: (job: JobSummary) => void): () => void;
  close(): Promise<void>;
}

/** Jobs in memory: about 450 MB of them. */
const TABLE_LIMIT = 1_000_000;
const EVERY_MS = 500;

/**
 * Keeps a table equal to the job stream: reads what is new now and then, and whenever somebody asks. It can be thrown
 * away at any time; jobs run without it.
 */
export function followJobs(nc: NatsConnection, log: Log): JobProjection {
  const table = new JobTable(TABLE_LIMIT);
  const closing = new AbortController();
  const listeners = new Set<(job: JobSummary) => void>();
  let next = 1;
  let last = 0;
  let stream = "";
  let reading: Promise<void> | undefined;
  let told = "";

  const read = async (): Promise<void> => {
    const { created, lastSeq } = await streamState(nc, JOBS_STREAM);
    last = lastSeq;
    if (created !== stream || lastSeq < next - 1) {
      // Another stream under the same name: nothing we know is of it.
      table.clear();
      next = 1;
      stream = created;
    }
    while (next <= lastSeq && !closing.signal.aborted) {
      const page = await readRecords(nc, { from: next });
      for (const record of page.records) {
        const job = table.apply(record);
        if (job !== undefined) for (const listener of listeners) listener(job);
      }
      if (page.next === next) return;
      next = page.next;
    }
  };
  const catchUp = async (): Promise<void> => {
    // One that began before we were asked may end before what we ask for.
    await reading?.catch(() => undefined);
    reading ??= read().finally(() => (reading = undefined));
    await reading;
  };
  const running = (async () => {
    while (!closing.signal.aborted) {
      try {
        await catchUp();
        told = "";
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (why !== told && !closing.signal.aborted) log.debug("the jobs cannot be read at the moment", { error: why });
        told = why;
      }
      await pause(EVERY_MS, closing.signal);
    }
  })();
  return {
    table,
    catchUp,
    get lastSequence() {
      return last;
    },
    get behind() {
      return Math.max(0, last - next + 1);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

/** Waits, but not longer than until the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
