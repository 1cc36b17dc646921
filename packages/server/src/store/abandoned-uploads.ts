import { headers as newHeaders } from "@nats-io/nats-core";
import { isPassing, persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { readDescription } from "./object-layout.ts";
import { giveUp } from "./object-upload.ts";
import type { StoreParts } from "./store-parts.ts";

/** When chunks that nobody describes are removed. */
export interface SweepTimes {
  /** The first look; not at once, so that a service that keeps crashing does not keep reading. */
  readonly firstMs: number;
  /** All replicas together look this often. */
  readonly everyMs: number;
  /** An upload that gave no sign for this long is dead; it gives one every minute. */
  readonly silenceMs: number;
}

export const SWEEP_TIMES: SweepTimes = { firstMs: 60_000, everyMs: 15 * 60_000, silenceMs: 15 * 60_000 };

/** Sweeps until the link closes. */
export function sweepForEver(parts: StoreParts, times: SweepTimes, onTrouble: (error: unknown) => void): void {
  let timer: ReturnType<typeof setTimeout>;
  const next = (waitMs: number): void => {
    timer = setTimeout(() => {
      sweep(parts, times)
        .catch(onTrouble)
        .finally(() => {
          if (parts.link.state !== "closed") next(times.everyMs);
        });
    }, waitMs);
  };
  parts.link.onState((state) => {
    if (state === "closed") clearTimeout(timer);
  });
  next(times.firstMs);
}

/**
 * Removes the chunks of uploads that died, and of objects whose removal was cut short; answers how many.
 *
 * 1. Ages are differences between times of the server: nobody's own clock decides.
 * 2. An upload is given up by replacing its record, on the condition that it is unchanged. Its author can then no longer
 *    describe it; if it did so just before, its record is put back.
 */
export async function sweep(parts: StoreParts, times: SweepTimes): Promise<number> {
  const { link, stream, bucket, records } = parts;
  const now = await claim(parts, times.everyMs);
  if (now === undefined) return 0;
  const uploads: StoredMessage[] = [];
  await persist(link, async () => {
    uploads.length = 0;
    await stream.readThrough(records.all, 1, (message) => uploads.push(message));
  });
  const described = new Set<string>();
  await persist(link, () =>
    stream.readThrough(`$O.${bucket}.M.>`, 1, (message) => {
      const id = readDescription(message, bucket)?.nuid;
      if (id !== undefined) described.add(id);
    }),
  );
  let removed = 0;
  for (const message of uploads) {
    const id = records.idOf(message);
    const record = records.read(message);
    if (record === undefined || described.has(id)) continue;
    // Whoever was granted an upload may stand still for as long as the grant says.
    const silenceMs = Math.max(times.silenceMs, record.state === "uploading" ? (record.transfer?.idleMs ?? 0) : 0);
    if (now - Date.parse(message.time) < silenceMs) continue;
    try {
      if (await giveUp(parts, id, record, message.sequence)) removed += 1;
    } catch (error) {
      // It lives, or another replica was here first; or NATS is away and the next sweep goes on.
      if (!(error instanceof StreamRefused && error.isConflict) && !isPassing(error)) throw error;
    }
  }
  return removed;
}

/** Whether it is this replica's turn; answers the server's time then. */
async function claim({ link, stream, bucket }: StoreParts, everyMs: number): Promise<number | undefined> {
  const subject = `$O.${bucket}.C.sweeps`;
  const last = await persist(link, () => stream.lastOfLeader(subject));
  if (last !== undefined && Math.abs(Date.now() - Date.parse(last.time)) < everyMs * 0.9) return undefined;
  const headers = newHeaders();
  headers.set("Nats-Rollup", "sub");
  headers.set("Nats-Expected-Last-Subject-Sequence", String(last?.sequence ?? 0));
  try {
    await stream.store(subject, new Uint8Array(0), { headers });
  } catch (error) {
    if (error instanceof StreamRefused || isPassing(error)) return undefined;
    throw error;
  }
  const mine = await persist(link, () => stream.lastOfLeader(subject));
  return mine === undefined ? undefined : Date.parse(mine.time);
}
