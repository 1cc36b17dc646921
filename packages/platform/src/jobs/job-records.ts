import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { JOBS_STREAM, jobSubject } from "@trellis/contracts";
import type { JobRecord } from "@trellis/jobs";
import { packOf, toRecords } from "@trellis/jobs/internal";
import { fromDelivery, type StoredMessage } from "@trellis/server/internal";

export interface RecordsPage {
  readonly records: readonly JobRecord[];
  /** Where the next page begins. */
  readonly next: number;
  /** Messages beyond this page. */
  readonly pending: number;
}

/** Far below what makes a server drop a slow connection. */
const PAGE = { messages: 4_096, bytes: 4 * 1024 * 1024 };
const SILENCE_MS = 3_000;
const encoder = new TextEncoder();

/** Reads records in the order of the stream. */
export async function readRecords(
  nc: NatsConnection,
  options: { readonly from: number; readonly subject?: string; readonly messages?: number },
): Promise<RecordsPage> {
  const records: JobRecord[] = [];
  const { subject = "trellis.jobs.>" } = options;
  const page = await readStored(nc, JOBS_STREAM, { ...options, subject }, (stored) => {
    records.push(...toRecords(stored));
  });
  return { records, ...page };
}

/** What happened to one job, from its beginning. */
export async function readHistory(
  nc: NatsConnection,
  job: { readonly id: string; readonly service: string; readonly queue: string; readonly order: number },
  messages: number,
): Promise<RecordsPage> {
  const { id, service, queue } = job;
  const from = Math.floor(job.order);
  const subjectOf = (token: string): string => jobSubject(service, queue, token, "*");
  const own = await readRecords(nc, { from, subject: subjectOf(id), messages });
  const pack = packOf(id)?.pack;
  if (pack === undefined) return own;
  const common = await readRecords(nc, { from, subject: subjectOf(pack) });
  const records = [...common.records.filter(({ body }) => body.id === id), ...own.records];
  return { ...own, records: records.sort((a, b) => a.sequence - b.sequence) };
}

/** Reads messages in the order of the stream, by a batched direct read: no consumer is made. */
export function readStored(
  nc: NatsConnection,
  stream: string,
  options: { readonly from: number; readonly subject: string; readonly messages?: number },
  onMessage: (stored: StoredMessage) => void,
): Promise<{ readonly next: number; readonly pending: number }> {
  const { from, subject, messages = PAGE.messages } = options;
  return new Promise((resolve, reject) => {
    let next = from;
    const inbox = createInbox();
    const finish = (end: () => void): void => {
      clearTimeout(silence);
      subscription.unsubscribe();
      end();
    };
    const silence = setTimeout(
      () => finish(() => reject(new Error("the stream stopped in the middle of an answer"))),
      SILENCE_MS,
    );
    const subscription = nc.subscribe(inbox, {
      callback: (error, message: Msg) => {
        if (error) return finish(() => reject(error));
        silence.refresh();
        const { headers } = message;
        const code = headers?.code ?? 0;
        if (code === 404) return finish(() => resolve({ next, pending: 0 }));
        if (code === 204)
          return finish(() => resolve({ next, pending: Number(headers?.get("Nats-Num-Pending")) || 0 }));
        const stored = code === 0 ? fromDelivery(message, stream) : undefined;
        if (stored === undefined)
          return finish(() => reject(new Error(headers?.description || "the stream does not answer")));
        next = stored.sequence + 1;
        onMessage(stored);
      },
    });
    const request = { seq: Math.max(1, from), batch: messages, max_bytes: PAGE.bytes, next_by_subj: subject };
    nc.publish(`$JS.API.DIRECT.GET.${stream}`, encoder.encode(JSON.stringify(request)), { reply: inbox });
  });
}
