import { randomToken } from "@trellis/protocol";
import { packOf } from "./job-id.ts";
import { expectedAfter, followOf } from "./job-journal.ts";
import type { JobJournal } from "./job-journal.ts";
import { splitPack } from "./job-pack.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import { endsLife, OUTSIDE_ACTIONS, stateAfterLast } from "./job-state.ts";
import type { JobState, OutsideClaim } from "./job-state.ts";

export type ActionOutcome =
  | { readonly kind: "done"; readonly state: JobState }
  | { readonly kind: "not_found" }
  /** The job is in a state this cannot be done in. */
  | { readonly kind: "wrong_state"; readonly state: JobState }
  /** Somebody else changed the job at the same time, again and again. */
  | { readonly kind: "busy" };

const TRIES = 8;
const WITHIN_MS = 20_000;

/**
 * Does something to a job that no worker does: cancel, expire, retry, replay, dismiss. It claims the job first, so of a
 * worker that finishes and a person who cancels at the same time exactly one writes the end.
 */
export async function actOnJob(
  journal: JobJournal,
  id: string,
  action: OutsideClaim,
  who: { readonly by: string; readonly reason?: string },
): Promise<ActionOutcome> {
  const { from, event } = OUTSIDE_ACTIONS[action];
  const claim = randomToken(12);
  const within = packOf(id);
  let pack: JobRecordBody | undefined;
  let atLeast = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const last = await journal.last(id, "*", atLeast);
    if (last === undefined) return { kind: "not_found" };
    const state = await stateOf(journal, id, last);
    if (!from.includes(state)) return { kind: "wrong_state", state };
    const created = await journal.last(id, "created");
    if (created === undefined) return { kind: "not_found" };
    if (within !== undefined) {
      pack ??= await splitPack(journal, within.pack, { withinMs: WITHIN_MS });
      if (pack?.completed?.some(({ at }) => at === within.at) === true)
        return { kind: "wrong_state", state: "completed" };
    }
    const started = await journal.last(id, "started");
    const { context, group } = created.body;
    const claimed = await journal.append(
      "started",
      { id, context, claim, attempt: started?.body.attempt ?? 0, for: action },
      {
        expect: { event: "started", sequence: expectedAfter(started) },
        follows: followOf(endsLife(last.event) ? last : started, pack?.claim),
        withinMs: WITHIN_MS,
      },
    );
    let held = claimed.kind === "stored" ? claimed.sequence : undefined;
    if (held === undefined) {
      // Ours, when an earlier try was stored although its answer was lost.
      const now = await journal.last(id, "started", claimed.kind === "refused" ? (claimed.lastSequence ?? 0) : 0);
      if (now?.body.claim === claim) held = now.sequence;
    }
    if (held === undefined) {
      if (claimed.kind === "overtaken") atLeast = claimed.sequence;
      continue;
    }
    const body: JobRecordBody = {
      id,
      context,
      claim,
      ...who,
      ...(event === "retried"
        ? { payload: created.body.payload ?? null, ...(group === undefined ? {} : { group }) }
        : {}),
    };
    const ended = await journal.append(event, body, {
      expect: { event: "started", sequence: held },
      // A retry is no end: the claim of the next worker follows ours.
      ...(endsLife(event) ? { follows: { sequence: held, claim } } : {}),
      withinMs: WITHIN_MS,
    });
    if (ended.kind === "stored") return { kind: "done", state: stateAfterLast(event) ?? "pending" };
    const written = await journal.last(id, event);
    if (written?.body.claim === claim) return { kind: "done", state: stateAfterLast(event) ?? "pending" };
  }
  return { kind: "busy" };
}

/** The state of a job, given its last record. */
export async function stateOf(journal: JobJournal, id: string, last: JobRecord): Promise<JobState> {
  const state = stateAfterLast(last.event, last.body.for);
  if (state !== undefined) return state;
  // Its pack was split by somebody outside for another job; its worker goes on with it.
  if (last.inPack && last.body.worker !== undefined) return "active";
  // A claim from outside whose maker has not gone on: the newest record that is no claim says it.
  const others = await Promise.all(
    (["created", "retry", "retried", "completed", "failed", "cancelled", "expired", "dead", "dismissed"] as const).map(
      (event) => journal.last(id, event),
    ),
  );
  const newest = others.reduce((a, b) => ((b?.sequence ?? 0) > (a?.sequence ?? 0) ? b : a), undefined);
  return (newest === undefined ? undefined : stateAfterLast(newest.event)) ?? "pending";
}
