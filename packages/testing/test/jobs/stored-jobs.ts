import type { NatsConnection } from "@nats-io/nats-core";
import { endsLife, type JobRecord } from "@trellis/jobs";
import { toRecords } from "@trellis/jobs/internal";
import { readStored } from "./read-stored.ts";

/** Every record of every job, as the stream has them. */
export async function storedRecords(data: NatsConnection): Promise<readonly JobRecord[]> {
  const stored = await readStored(data, "JOBS");
  return stored.flatMap((message) => toRecords(message));
}

/** The ends of each job, by id. */
export function endsOf(records: readonly JobRecord[]): ReadonlyMap<string, readonly JobRecord[]> {
  const ends = new Map<string, JobRecord[]>();
  for (const record of records) {
    const known = ends.get(record.body.id) ?? [];
    ends.set(record.body.id, endsLife(record.event) ? [...known, record] : known);
  }
  return ends;
}

/** Items that are still in the work queue; the mark of how far it is filled is none. */
export async function workLeft(data: NatsConnection, queues = "trellis.work.*.>"): Promise<number> {
  const answer = await data.request("$JS.API.STREAM.INFO.JOBS_WORK", JSON.stringify({ subjects_filter: queues }));
  const { subjects = {} } = answer.json<{ state: { subjects?: { readonly [subject: string]: number } } }>().state;
  return Object.values(subjects).reduce((sum, count) => sum + count, 0);
}
