import type { NatsConnection } from "@nats-io/nats-core";
import { jobMarkSubject, JOBS_MARKS_STREAM } from "@trellis/contracts";
import { readPresence, type WorkerPresence } from "@trellis/jobs/internal";
import { readStored } from "./job-records.ts";

/** A worker that gave a sign of life a moment ago. */
export interface LiveWorker extends WorkerPresence {
  readonly service: string;
  readonly queue: string;
  readonly at: number;
}

/** Twice as long as workers let their sign of life live: a lagging server may still have one. */
const GONE_MS = 40_000;
const decoder = new TextDecoder();

/** Everybody who works on a queue; whoever stopped or died is not listed any more after some seconds. */
export async function liveWorkers(nc: NatsConnection): Promise<readonly LiveWorker[]> {
  const workers: LiveWorker[] = [];
  const subject = jobMarkSubject("*", "*", "worker", "*");
  for (let from = 1; ;) {
    const page = await readStored(nc, JOBS_MARKS_STREAM, { from, subject }, ({ subject: of, time, data }) => {
      const [, , service, queue] = of.split(".");
      const presence = readPresence(readJson(data));
      const at = Date.parse(time);
      if (service === undefined || queue === undefined || presence === undefined || at < Date.now() - GONE_MS) return;
      workers.push({ ...presence, service, queue, at });
    });
    if (page.pending === 0 || page.next === from) return workers;
    from = page.next;
  }
}

function readJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
}
