import type { JobJournal } from "./job-journal.ts";
import { newJobId } from "./job-id.ts";
import { PackClaim } from "./pack-claim.ts";
import { aliveForMs } from "./queue-facts.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import type { QueueFacts } from "./queue-facts.ts";
import { newestOf } from "./stream-store.ts";
import type { StoreOptions } from "./stream-store.ts";

/**
 * Jobs that were created with one record.
 *
 * 1. Their creation is one record of the whole pack. So is, while handlers are quick, their first claim; the record of the claim is
 *    followed by others under the same subject, each of which says what was completed so far and expects the one before.
 * 2. Whatever does not go the quick way is handed out one by one, and has records of its own: slow handlers, what failed or is
 *    tried again, what a worker died with, what somebody cancels.
 * 3. A single job is claimed only after its pack was split: by one more record in that row, after which none says that something
 *    was completed. So of a run under the claim of the pack and one under a claim of the job only one ends it.
 * 4. A run whose pack was split meanwhile ends its job by a record of the job, which expects that it has no claim of its own.
 */
export interface JobPack {
  readonly id: string;
  readonly jobs: readonly JobRecordBody[];
  /** The sequence of the record they began with. */
  readonly life: number;
}

export type PackClaimed =
  /** All of its jobs are to run here, under this claim. */
  | { readonly kind: "ours"; readonly pack: PackClaim; readonly fence: number }
  /** These of its jobs are to be handed out one by one; they may have been begun under a claim of the pack. */
  | { readonly kind: "split"; readonly jobs: readonly JobRecordBody[]; readonly after: string | undefined }
  /** Whoever claimed it is alive. */
  | { readonly kind: "later"; readonly delayMs: number };

export async function claimPack(
  { id, jobs }: JobPack,
  options: {
    readonly journal: JobJournal;
    readonly facts: QueueFacts;
    readonly claim: string;
    readonly worker: string;
    /** Whether this worker would run all of it. */
    readonly whole: boolean;
    readonly nowMs: () => number;
    readonly signal: AbortSignal;
  },
): Promise<PackClaimed> {
  const { journal, facts, claim, worker, whole, nowMs, signal } = options;
  if (whole) {
    const body: JobRecordBody = { id, context: { requestId: id }, claim, attempt: 1, worker, size: jobs.length };
    const ours = (fence: number): PackClaimed => {
      return { kind: "ours", pack: new PackClaim({ journal, body, fence, signal }), fence };
    };
    const claimed = await journal.append("started", body, { expect: { event: "started", sequence: 0 }, signal });
    if (claimed.kind === "stored") return ours(claimed.sequence);
    const known = await journal.ofPack(id, newestOf(claimed), signal);
    // Only the answer to an earlier try was lost.
    if (known?.body.claim === claim && known.body.for === undefined) return ours(known.sequence);
  }
  let aliveMs = 0;
  const split = await splitPack(journal, id, { signal }, ({ at, body: { completed = [] } }) => {
    aliveMs = completed.length === jobs.length ? 0 : aliveForMs(facts, nowMs() - at);
    return aliveMs > 0;
  });
  if (split === undefined) return { kind: "later", delayMs: aliveMs };
  const done = new Set(split.completed?.map(({ at }) => at));
  return { kind: "split", jobs: jobs.filter((_, at) => !done.has(at)), after: split.claim };
}

/**
 * Sees to it that jobs of this pack end by records of their own from now on; answers the last record of the pack, which says what was
 * completed before. A worker that takes the pack from another spares it while that one may be alive; then nothing is answered.
 */
export async function splitPack(
  journal: JobJournal,
  pack: string,
  options: StoreOptions,
  spares?: (claimed: JobRecord) => boolean,
): Promise<JobRecordBody | undefined> {
  for (let atLeast = 0; ;) {
    const known = await journal.ofPack(pack, atLeast, options.signal);
    const isHeld = known?.body.worker !== undefined;
    if (known !== undefined && isHeld && spares?.(known) === true) return undefined;
    if (known?.body.for === "split") return known.body;
    // Split by somebody outside it is still its worker's; split by another worker it is not.
    const { worker, ...rest } = known?.body ?? { id: pack, context: { requestId: pack } };
    const body: JobRecordBody = { ...rest, ...(isHeld && spares === undefined ? { worker } : {}), for: "split" };
    const expect = { event: "started", sequence: known?.sequence ?? 0 } as const;
    const split = await journal.append("started", body, { ...options, expect });
    if (split.kind === "stored") return body;
    atLeast = newestOf(split);
  }
}

/** Stores an item for one job of a pack. */
export async function handOn(
  journal: JobJournal,
  job: JobRecordBody,
  options: {
    readonly life: number;
    readonly after: string | undefined;
    readonly nowMs: number;
    readonly delayMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { life, after, nowMs, delayMs, signal } = options;
  const id = newJobId(nowMs);
  const jobs = [delayMs > 0 ? { ...job, notBefore: Math.round(nowMs + delayMs) } : job];
  await journal.append(
    "created",
    { id, context: job.context, jobs, since: life, ...(after === undefined ? {} : { after }) },
    { expect: { event: "created", sequence: 0 }, signal },
  );
}
