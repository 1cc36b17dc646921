import type { NatsConnection } from "@nats-io/nats-core";
import { createInbox } from "@nats-io/nats-core";

/** A message as a stream has it. */
export interface Stored {
  readonly subject: string;
  readonly sequence: number;
  readonly time: string;
  readonly data: Uint8Array;
}

const PAGE_MS = 20_000;

/** Every message of a stream, in order; fails when the server that answers does not have the newest yet. */
export async function readStored(data: NatsConnection, stream: string): Promise<readonly Stored[]> {
  const info = await data.request(`$JS.API.STREAM.INFO.${stream}`, "");
  const newest = info.json<{ state: { last_seq: number } }>().state.last_seq;
  const found: Stored[] = [];
  for (let more = true; more;) {
    const inbox = createInbox();
    const page = Promise.withResolvers<boolean>();
    const overdue = setTimeout(() => page.reject(new Error("nobody answered")), PAGE_MS);
    const subscription = data.subscribe(inbox, {
      callback: (error, message) => {
        const { headers } = message;
        if (error !== null || headers === undefined) return page.reject(error ?? new Error("no headers"));
        if (headers.code === 404) return page.resolve(false);
        if (headers.code === 204) return page.resolve(Number(headers.get("Nats-Num-Pending")) > 0);
        if (headers.code !== 0) return page.reject(new Error(headers.description));
        found.push({
          subject: headers.get("Nats-Subject"),
          sequence: Number(headers.get("Nats-Sequence")),
          time: headers.get("Nats-Time-Stamp"),
          data: message.data,
        });
      },
    });
    const from = (found.at(-1)?.sequence ?? 0) + 1;
    data.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ seq: from, batch: 2_000, next_by_subj: ">" }), {
      reply: inbox,
    });
    try {
      more = await page.promise;
    } finally {
      clearTimeout(overdue);
      subscription.unsubscribe();
    }
  }
  if (newest > 0 && (found.at(-1)?.sequence ?? 0) < newest) throw new Error("A server that lags has answered.");
  return found;
}
