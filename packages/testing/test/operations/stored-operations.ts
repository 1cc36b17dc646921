import type { NatsConnection } from "@nats-io/nats-core";
import { createInbox } from "@nats-io/nats-core";
import { readRecord } from "@trellis/server/internal";
import type { StoredRecord } from "@trellis/server/internal";

/** Every record of every operation of a deployment, by id, as the stream has them. */
export async function storedOperations(
  data: NatsConnection,
  service: string,
): Promise<ReadonlyMap<string, readonly StoredRecord[]>> {
  const found = new Map<string, StoredRecord[]>();
  for (let from = 1; ;) {
    const inbox = createInbox();
    const page = Promise.withResolvers<boolean>();
    const subscription = data.subscribe(inbox, {
      callback: (error, { headers, data: bytes }) => {
        if (error !== null || headers === undefined) return page.reject(error ?? new Error("no headers"));
        if (headers.code === 404) return page.resolve(false);
        if (headers.code === 204) return page.resolve(Number(headers.get("Nats-Num-Pending")) > 0);
        if (headers.code !== 0) return page.reject(new Error(headers.description));
        const sequence = Number(headers.get("Nats-Sequence"));
        from = sequence + 1;
        const record = readRecord(bytes);
        if (record === undefined) return;
        const { id } = record.snapshot;
        const stored = { sequence, at: Date.parse(headers.get("Nats-Time-Stamp")), record };
        found.set(id, [...(found.get(id) ?? []), stored]);
      },
    });
    const request = { seq: from, batch: 2_000, next_by_subj: `trellis.ops.${service}.journal.>` };
    data.publish(`$JS.API.DIRECT.GET.OPS_${service}`, JSON.stringify(request), { reply: inbox });
    const more = await page.promise;
    subscription.unsubscribe();
    if (!more) return found;
  }
}
