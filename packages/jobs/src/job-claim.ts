import { pause } from "@trellis/client/internal";
import type { JobJournal } from "./job-journal.ts";
import type { JobRecordBody } from "./job-record.ts";
import { endsLife } from "./job-state.ts";
import type { QueueFacts } from "./queue-facts.ts";

/** What to do about a work item. */
export type Claimed =
  | { readonly kind: "ours"; readonly fence: number; readonly attempt: number }
  /** The job has ended: the item is of no more use. */
  | { readonly kind: "ended" }
  /** Not now: the item is to come again after this long. */
  | { readonly kind: "later"; readonly delayMs: number }
  /** Another worker has it: say nothing, not even an acknowledgement, for the item is theirs. */
  | { readonly kind: "theirs" };

export interface ClaimOptions {
  readonly journal: JobJournal;
  readonly facts: QueueFacts;
  /** The body of the record the item was made from: `created` or `retried`. */
  readonly item: JobRecordBody;
  readonly itemSequence: number;
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
/** A delivery this much before the end of the acknowledgement wait still counts as one after it. */
const ALMOST = 0.9;

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
  const { journal, facts, item, itemSequence, claim, nowMs, signal } = options;
  const { id } = item;
  const body = (attempt: number): JobRecordBody => ({
    id,
    context: item.context,
    claim,
    attempt,
    worker: options.worker,
  });
  let atLeast = itemSequence;
  // `retried` is written under a claim, `created` is not.
  if (item.claim === undefined) {
    const first = await journal.append("started", body(1), { expect: { event: "started", sequence: 0 }, signal });
    if (first.kind === "stored") return { kind: "ours", fence: first.sequence, attempt: 1 };
    if (first.kind === "refused") atLeast = Math.max(atLeast, first.lastSequence ?? 0);
  }
  for (;;) {
    const last = await journal.last(id, "*", atLeast, signal);
    if (last === undefined || last.sequence < itemSequence) return { kind: "later", delayMs: STALE_AGAIN_MS };
    if (endsLife(last.event)) return { kind: "ended" };
    const started = await journal.last(id, "started", 0, signal);
    if (started?.body.claim === claim) return ours(started.sequence, started.body.attempt);
    const now = nowMs();
    if (last.event === "retry" && (last.body.notBefore ?? 0) > now)
      return { kind: "later", delayMs: (last.body.notBefore ?? now) - now };
    const active =
      last.event === "progress" || last.event === "logged" || (last.event === "started" && last.body.for === undefined);
    const ageMs = now - last.at;
    if (active && ageMs < facts.ackWaitMs * ALMOST) return { kind: "later", delayMs: facts.ackWaitMs - ageMs };

    const runs = started !== undefined && started.sequence > itemSequence ? (started.body.attempt ?? 0) : 0;
    const attempt = runs + (last.event === "retry" && last.body.givenBack === true ? 0 : 1);
    if (active && attempt === facts.maxDeliver && !options.takeLastAttempt())
      return { kind: "later", delayMs: LAST_ATTEMPT_AGAIN_MS };
    const sequence = started?.sequence ?? 0;
    const claimed = await journal.append("started", body(attempt), {
      expect: { event: "started", sequence },
      ...(started === undefined ? {} : { follows: { sequence, claim: started.body.claim } }),
      signal,
    });
    if (claimed.kind === "stored") return ours(claimed.sequence, attempt);
    const newer = claimed.kind === "refused" ? (claimed.lastSequence ?? 0) : 0;
    const theirs = await journal.last(id, "started", newer, signal);
    if (theirs?.body.claim === claim) return ours(theirs.sequence, theirs.body.attempt);
    if (
      claimed.kind === "refused" &&
      theirs !== undefined &&
      theirs.sequence > sequence &&
      theirs.body.for === undefined
    )
      return { kind: "theirs" };
    // Somebody outside is ending it, or it has just ended.
    atLeast = Math.max(atLeast, claimed.kind === "overtaken" ? claimed.sequence : newer);
    await pause(OUTSIDER_MS, signal);
  }
}

function ours(fence: number, attempt = 1): Claimed {
  return { kind: "ours", fence, attempt };
}
