import { jobIdInPack } from "./job-id.ts";
import { readJobSubject, readRecordBody } from "./job-record.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import type { JobEvent } from "./job-state.ts";
import type { StoredMessage } from "./stream-store.ts";

/** A power of two above what a pack holds: places between two sequences are exact. */
const PLACES = 128;

/** A stored message as what happened to jobs: to one, to several of a pack, or to none when it says nothing new. */
export function toRecords(stored: StoredMessage): readonly JobRecord[] {
  const record = readRecord(stored);
  if (record === undefined) return [];
  const { since, for: purpose, jobs, size, completed, told = 0 } = record.body;
  if (since !== undefined || purpose === "split") return [];
  if (jobs !== undefined) return jobs.map((job, at) => inPack(record, "created", at, job));
  if (completed !== undefined)
    return (
      completed
        .slice(told)
        .map(({ at, result }) => completedInPack(record, at, result))
        // Whoever has read some of them goes on after the last of those.
        .sort((a, b) => a.order - b.order)
    );
  if (size !== undefined) return Array.from({ length: size }, (_, at) => inPack(record, "started", at, record.body));
  return [record];
}

/** The newest that a record of a pack says of the job at this place, or whether it had this event. */
export function recordInPack(stored: StoredMessage, at: number, event: JobEvent | "*"): JobRecord | undefined {
  const record = readRecord(stored);
  if (record === undefined) return undefined;
  const { jobs, completed = [] } = record.body;
  const job = jobs?.[at];
  if (jobs !== undefined) return job && inPack(record, "created", at, job);
  const end = event === "started" ? undefined : completed.find((each) => each.at === at);
  if (end !== undefined) return completedInPack(record, at, end.result);
  return event === "completed" ? undefined : inPack(record, "started", at, record.body);
}

/** A stored message as one record, whatever it is of. */
export function readRecord({ subject, sequence, time, data }: StoredMessage): JobRecord | undefined {
  const named = readJobSubject(subject);
  const body = readRecordBody(data);
  if (named === undefined || body === undefined || !Number.isSafeInteger(sequence)) return undefined;
  const { service, queue, id, event } = named;
  const place = { sequence, order: sequence, inPack: false, at: Date.parse(time) };
  return { service, queue, event, ...place, body: body.id === id ? body : { ...body, id } };
}

function completedInPack(record: JobRecord, at: number, result: JobRecordBody["result"]): JobRecord {
  const { context, claim, attempt } = record.body;
  return inPack(record, "completed", at, {
    id: "",
    context,
    ...(claim === undefined ? {} : { claim }),
    ...(attempt === undefined ? {} : { attempt }),
    ...(result === undefined ? {} : { result }),
  });
}

function inPack(record: JobRecord, event: JobEvent, at: number, body: JobRecordBody): JobRecord {
  const id = jobIdInPack(record.body.id, at);
  return { ...record, event, order: record.sequence + at / PLACES, inPack: true, body: { ...body, id } };
}
