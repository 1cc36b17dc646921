import { pause } from "@trellis/client/internal";
import { packOf } from "./job-id.ts";
import { expectedAfter, followOf } from "./job-journal.ts";
import type { JobJournal } from "./job-journal.ts";
import type { JobRecordBody } from "./job-record.ts";
import { endsLife } from "./job-state.ts";
import { aliveForMs } from "./queue-facts.ts";
import { splitPack } from "./job-pack.ts";
import type { PackClaim } from "./pack-claim.ts";
import type { QueueFacts } from "./queue-facts.ts";
import type { WorkItem } from "./work-item.ts";

/** A claim that holds a job. */
export interface HeldClaim {
  /** Its sequence. */
  readonly fence: number;
  /** What a record under it expects to be the newest claim of the job; 0 when the claim is one of the job's whole pack. */
  readonly expected: number;
  readonly claim: string;
  readonly attempt: number;
  /** Its job is completed by what this says. */
  readonly pack?: PackClaim;
}

/** What to do about a work item. */
export type Claimed =
  | { readonly kind: "ours"; readonly held: HeldClaim }
  /** The job has ended: the item is of no more use. */
  | { readonly kind: "ended" }
  /** Not now: the item is to come again after this long. */
  | { readonly kind: "later"; readonly delayMs: number }
  /** Another worker has it: say nothing, not even an acknowledgement, for the item is theirs. */
  | { readonly kind: "theirs" };

export interface ClaimOptions {
  readonly journal: JobJournal;
  readonly facts: QueueFacts;
  /** The body of the record its life began with: `created` or `retried`. */
  readonly job: JobRecordBody;
  readonly item: Pick<WorkItem, "life" | "after">;
  readonly claim: string;
  readonly worker: string;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  /** Whether this worker makes no other last attempt at the moment; then it makes this one. */
  readonly takeLastAttempt: () => boolean;
}

const STALE_AGAIN_MS = 1_000;
const LAST_ATTEMPT_AGAIN_MS = 1_000;
const OUTSIDER_MS = 50;

/**
 * Claims a job for a run, or says why not.
 *
 * 1. A job that was never claimed is claimed without reading anything: the expectation "no claim yet" says it all.
 * 2. Otherwise the last record decides. A claim follows the claim before it by expectation, so of two workers one wins,
 *    and by message id, so it cannot pass an end that was written a moment ago and that a lagging replica does not show.
 * 3. A claim that is younger than the acknowledgement wait and has not ended is alive: after a server was killed, work
 *    comes again although its worker never stopped.
 * 4. A worker that dies takes all its jobs along, to each of which it was one attempt. So that a job which kills its worker does
 *    not end its neighbours, what workers died with is tried for the last time alone.
 */
export async function claimJob(options: ClaimOptions): Promise<Claimed> {
  const { journal, facts, job, item, claim, nowMs, signal } = options;
  const { id } = job;
  const body = (attempt: number): JobRecordBody => ({
    id,
    context: job.context,
    claim,
    attempt,
    worker: options.worker,
  });
  let atLeast = item.life;
  // `retried` is written under a claim, `created` is not.
  if (job.claim === undefined && item.after === undefined) {
    const first = await journal.append("started", body(1), { expect: { event: "started", sequence: 0 }, signal });
    if (first.kind === "stored") return ours(first.sequence, claim);
    if (first.kind === "refused") atLeast = Math.max(atLeast, first.lastSequence ?? 0);
  }
  const within = item.after === undefined ? undefined : packOf(id);
  if (within !== undefined) {
    const pack = await splitPack(journal, within.pack, { signal });
    if (pack?.completed?.some(({ at }) => at === within.at) === true) return { kind: "ended" };
  }
  for (;;) {
    const last = await journal.last(id, "*", atLeast, signal);
    // Nothing at all of a job whose pack was claimed: a stream that is full has dropped it.
    if (last === undefined ? item.after === undefined : last.sequence < item.life)
      return { kind: "later", delayMs: STALE_AGAIN_MS };
    if (last !== undefined && endsLife(last.event)) return { kind: "ended" };
    const started = await journal.last(id, "started", 0, signal);
    if (started?.body.claim === claim) return ours(started.sequence, claim, started.body.attempt);
    const now = nowMs();
    if (last?.event === "retry" && (last.body.notBefore ?? 0) > now)
      return { kind: "later", delayMs: (last.body.notBefore ?? now) - now };
    const active =
      last?.event === "progress" ||
      last?.event === "logged" ||
      (last?.event === "started" && last.body.for === undefined);
    // Of a pack that was split nobody is alive; but whoever had claimed it, began all of its jobs.
    const lost = active || (last?.event === "started" && last.inPack && last.body.claim !== undefined);
    const aliveMs = active ? aliveForMs(facts, now - last.at) : 0;
    if (aliveMs > 0) return { kind: "later", delayMs: aliveMs };

    const runs = started !== undefined && started.sequence > item.life ? (started.body.attempt ?? 0) : 0;
    const attempt = runs + (last?.event === "retry" && last.body.givenBack === true ? 0 : 1);
    if (lost && attempt === facts.maxDeliver && !options.takeLastAttempt())
      return { kind: "later", delayMs: LAST_ATTEMPT_AGAIN_MS };
    const claimed = await journal.append("started", body(attempt), {
      expect: { event: "started", sequence: expectedAfter(started) },
      follows: followOf(started, item.after),
      signal,
    });
    if (claimed.kind === "stored") return ours(claimed.sequence, claim, attempt);
    const newer = claimed.kind === "refused" ? (claimed.lastSequence ?? 0) : 0;
    const theirs = await journal.last(id, "started", newer, signal);
    if (theirs?.body.claim === claim) return ours(theirs.sequence, claim, theirs.body.attempt);
    if (
      claimed.kind === "refused" &&
      theirs !== undefined &&
      theirs.sequence > (started?.sequence ?? 0) &&
      theirs.body.for === undefined
    )
      return { kind: "theirs" };
    // Somebody outside is ending it, or it has just ended.
    atLeast = Math.max(atLeast, claimed.kind === "overtaken" ? claimed.sequence : newer);
    await pause(OUTSIDER_MS, signal);
  }
}

function ours(fence: number, claim: string, attempt = 1): Claimed {
  return { kind: "ours", held: { fence, expected: fence, claim, attempt } };
}
