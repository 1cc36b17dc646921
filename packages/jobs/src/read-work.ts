import type { LinkMessage } from "@trellis/client/internal";
import { readRecordBody } from "./job-record.ts";
import type { JobRecordBody } from "./job-record.ts";

/** What one item of the work queue hands out: a job, or the jobs of a pack. */
export interface Work {
  /** Of the record it was made from. */
  readonly id: string;
  readonly jobs: readonly JobRecordBody[];
  /** The sequence of the record the present life of its jobs began with. */
  readonly life: number;
  /** The claim of a pack under which they may have been begun and ended already. */
  readonly after: string | undefined;
}

/** Nothing when it is not a job. */
export function readWork(message: LinkMessage): Work | undefined {
  const body = readRecordBody(message.data);
  if (body === undefined) return undefined;
  const { id, jobs = [body], since: life = sourceSequence(message), after } = body;
  return { id, jobs, life, after };
}

/** The sequence of the record in the job stream that a work item was made from; 0 when the server does not say. */
export function sourceSequence({ headers }: LinkMessage): number {
  // `Nats-Stream-Source: <stream> <sequence> …`
  const sequence = Number(headers?.get("Nats-Stream-Source").split(" ")[1]);
  return Number.isSafeInteger(sequence) ? sequence : 0;
}
