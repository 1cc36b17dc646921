import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { JOBS_STREAM } from "@trellis/contracts";
import type { JobRecord } from "@trellis/jobs";
import { toRecord } from "@trellis/jobs/internal";

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

/** Reads records in the order of the stream, by a batched direct read: no consumer is made. */
export function readRecords(
  nc: NatsConnection,
  options: { readonly from: number; readonly subject?: string; readonly messages?: number },
): Promise<RecordsPage> {
  const { from, subject = "trellis.jobs.>", messages = PAGE.messages } = options;
  return new Promise((resolve, reject) => {
    const records: JobRecord[] = [];
    let next = from;
    let timer: ReturnType<typeof setTimeout>;
    const inbox = createInbox();
    const finish = (end: () => void): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
      end();
    };
    const silence = (): void => {
      clearTimeout(timer);
      timer = setTimeout(
        () => finish(() => reject(new Error("the job stream stopped in the middle of an answer"))),
        SILENCE_MS,
      );
    };
    const subscription = nc.subscribe(inbox, {
      callback: (error, message: Msg) => {
        if (error) return finish(() => reject(error));
        silence();
        const { headers } = message;
        const code = headers?.code ?? 0;
        if (code === 404) return finish(() => resolve({ records, next, pending: 0 }));
        if (code === 204)
          return finish(() => resolve({ records, next, pending: Number(headers?.get("Nats-Num-Pending")) || 0 }));
        if (code !== 0 || headers === undefined)
          return finish(() => reject(new Error(headers?.description ?? "the job stream does not answer")));
        const sequence = Number(headers.get("Nats-Sequence"));
        next = sequence + 1;
        const record = toRecord(headers.get("Nats-Subject"), sequence, headers.get("Nats-Time-Stamp"), message.data);
        if (record !== undefined) records.push(record);
      },
    });
    silence();
    const request = { seq: Math.max(1, from), batch: messages, max_bytes: PAGE.bytes, next_by_subj: subject };
    nc.publish(`$JS.API.DIRECT.GET.${JOBS_STREAM}`, encoder.encode(JSON.stringify(request)), { reply: inbox });
  });
}
