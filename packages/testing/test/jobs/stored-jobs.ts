import type { NatsConnection } from "@nats-io/nats-core";
import { createInbox } from "@nats-io/nats-core";
import { endsLife, type JobRecord } from "@trellis/jobs";
import { toRecord } from "@trellis/jobs/internal";

/** Every record of every job, as the stream has them. */
export async function storedRecords(data: NatsConnection): Promise<readonly JobRecord[]> {
  const records: JobRecord[] = [];
  for (let from = 1; ;) {
    const inbox = createInbox();
    const page = Promise.withResolvers<boolean>();
    const subscription = data.subscribe(inbox, {
      callback: (error, message) => {
        const { headers } = message;
        if (error !== null || headers === undefined) return page.reject(error ?? new Error("no headers"));
        if (headers.code === 404) return page.resolve(false);
        if (headers.code === 204) return page.resolve(Number(headers.get("Nats-Num-Pending")) > 0);
        if (headers.code !== 0) return page.reject(new Error(headers.description));
        const sequence = Number(headers.get("Nats-Sequence"));
        from = sequence + 1;
        const record = toRecord(headers.get("Nats-Subject"), sequence, headers.get("Nats-Time-Stamp"), message.data);
        if (record !== undefined) records.push(record);
      },
    });
    data.publish(
      "$JS.API.DIRECT.GET.JOBS",
      JSON.stringify({ seq: from, batch: 2_000, next_by_subj: "trellis.jobs.>" }),
      { reply: inbox },
    );
    const more = await page.promise;
    subscription.unsubscribe();
    if (!more) return records;
  }
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
