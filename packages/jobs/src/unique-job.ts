import { TransportError } from "@trellis/protocol";
import type { JobJournal } from "./job-journal.ts";
import { hashOfKey } from "./job-id.ts";
import type { JobMarks, Mark } from "./job-marks.ts";
import { isRecordBody } from "./job-record.ts";
import type { JobRecordBody } from "./job-record.ts";
import { endsLife } from "./job-state.ts";
import type { RejectOptions, UniqueOptions } from "./create-options.ts";
import { actOnJob } from "./outside-action.ts";

/** There is a job with this unique key that has not ended, and none was created. */
export class JobNotUnique extends Error {
  override readonly name = "JobNotUnique";
  /** The job that holds the key. */
  readonly jobId: string;

  constructor(key: string, jobId: string) {
    super(`The job ${jobId} holds the unique key ${JSON.stringify(key.slice(0, 80))} until it ends.`);
    this.jobId = jobId;
  }
}

export type UniqueOutcome =
  | { readonly kind: "created" }
  | { readonly kind: "attached"; readonly id: string }
  | { readonly kind: "rejected"; readonly id: string };

interface UniqueParts {
  readonly journal: JobJournal;
  readonly marks: JobMarks;
  readonly by: string;
  readonly nowMs: () => number;
}

const TRIES = 16;
/** Far longer than a creator that lives needs from the mark to the record. */
const CREATING_MS = 10 * 60_000;

/**
 * Creates a job that is the only open one of its key.
 *
 * 1. The mark of the key holds the whole first record of the job that has the key; it is replaced by compare-and-set, so
 *    of two creators one is first.
 * 2. A creator may die between setting the mark and storing the record. Whoever comes within ten minutes stores it for
 *    them, so the key does not belong to a job that does not exist.
 * 3. The key is free when its job has ended; nobody has to say so.
 */
export async function createUnique(
  parts: UniqueParts,
  body: JobRecordBody,
  { key, whenTaken = "attach" }: UniqueOptions | RejectOptions["unique"],
  store: (body: JobRecordBody) => Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<UniqueOutcome> {
  const name = hashOfKey(key);
  const reading = signal === undefined ? {} : { signal };
  const { journal, marks, by } = parts;
  let atLeast = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const mark = await marks.read("unique", name, { atLeast, ...reading });
    const holder = isRecordBody(mark.value) ? mark.value : undefined;
    if (holder?.id === body.id) {
      await store(body);
      return { kind: "created" };
    }
    if (holder !== undefined && (await isOpen(parts, holder, mark, store))) {
      if (whenTaken === "attach") return { kind: "attached", id: holder.id };
      if (whenTaken === "reject") return { kind: "rejected", id: holder.id };
      await actOnJob(journal, holder.id, "cancel", { by, reason: `Replaced by the job ${body.id}.` });
      if (await isOpen(parts, holder, mark, store)) continue;
    }
    await marks.set("unique", name, body, mark.sequence, signal);
    // Set or refused: reading it again says whose it is, also when only the answer was lost.
    atLeast = mark.sequence + 1;
  }
  throw new TransportError("retry_later", {
    message: `Others create jobs with the unique key ${JSON.stringify(key.slice(0, 80))} at the same time.`,
  });
}

async function isOpen(
  { journal, nowMs }: UniqueParts,
  holder: JobRecordBody,
  mark: Mark,
  store: (body: JobRecordBody) => Promise<unknown>,
): Promise<boolean> {
  const last = await journal.last(holder.id);
  if (last !== undefined) return !endsLife(last.event);
  // Long after, its records have left a stream that is full: it was a job once and must not become one again.
  if (nowMs() - mark.at > CREATING_MS) return false;
  await store(holder);
  return true;
}
