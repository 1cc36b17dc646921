import { isOver } from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { OperationItem, OperationOrigin, OperationRecord, StoredRecord } from "./operation-record.ts";

/** What to do about a work item. */
export type Claimed =
  | {
      readonly kind: "ours";
      readonly fence: number;
      readonly snapshot: OperationSnapshot;
      readonly origin: OperationOrigin;
      /** The records before the claim, oldest first; none for one that was never begun. */
      readonly records: readonly StoredRecord[];
    }
  /** The operation is over or asleep: the item is of no more use. */
  | { readonly kind: "done" }
  /** Not now: the item is to come again after this long. */
  | { readonly kind: "later"; readonly delayMs: number }
  /** Another replica has it: say nothing, not even an acknowledgement. */
  | { readonly kind: "theirs" };

export interface ClaimOptions {
  readonly journal: OperationJournal;
  readonly name: OperationName;
  readonly item: OperationItem;
  /** Random, new for this claim. */
  readonly claim: string;
  /** Names the replica, for people. */
  readonly replica: string;
  readonly ackWaitMs: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  /** Why this replica cannot go on with what was started under another contract; nothing when it can. */
  readonly unfit: (origin: OperationOrigin) => Promise<string | undefined>;
  readonly maxAttempts: number;
  /** Whether this replica makes no other last attempt at the moment; then it makes this one. */
  readonly takeLastAttempt: () => boolean;
}

/** An incompatible operation is offered to the replicas again this often. */
const OFFER_AGAIN_MS = 5_000;
const LOOK_AGAIN_MS = 1_000;
/** A delivery this much before the end of the acknowledgement wait still counts as one after it. */
const ALMOST = 0.9;

/**
 * Claims an operation for a run, or says why not.
 *
 * 1. One that was never begun is claimed without reading anything: the expectation "no record yet" says it all.
 * 2. Otherwise the last record decides, as the leader has it, and the claim expects it to be still the last.
 * 3. A claim whose last record is younger than the acknowledgement wait is alive: after a server was killed, work comes
 *    again although its replica never stopped.
 * 4. What was recorded so far is read before the claim, and the claim expects its last record: nothing can come between.
 * 5. A process that dies takes all it ran along, to which it was one attempt. So an operation that kills its process does not end
 *    its neighbours: what a replica died with is tried for the last time alone, and whoever got further has lost no attempt.
 */
export async function claimOperation(options: ClaimOptions): Promise<Claimed> {
  const { journal, name, item, signal, nowMs } = options;
  if (item.accepted !== undefined) {
    const { origin, snapshot } = item.accepted;
    const unfit = await options.unfit(origin);
    const now = Math.round(nowMs());
    const first =
      unfit === undefined
        ? claimRecord(options, origin.owner, started(snapshot, 1, now), origin)
        : waitingRecord(options, origin.owner, snapshot, unfit, origin);
    const sequence = await journal.append(name, first, { after: 0, signal });
    if (sequence !== undefined) {
      if (unfit !== undefined) return { kind: "later", delayMs: OFFER_AGAIN_MS };
      return { kind: "ours", fence: sequence, snapshot: first.snapshot, origin, records: [] };
    }
  }
  return claimBegun(options);
}

async function claimBegun(options: ClaimOptions): Promise<Claimed> {
  const { journal, name, item, signal, nowMs, ackWaitMs } = options;
  const last = await journal.last(name);
  // Its time to be kept is over, or it was never accepted.
  if (last === undefined)
    return item.accepted === undefined ? { kind: "done" } : { kind: "later", delayMs: LOOK_AGAIN_MS };
  const { record } = last;
  const now = Math.round(nowMs());
  if (isOver(record.snapshot.state)) return { kind: "done" };
  if (record.kind === "attempt-failed" && (record.until ?? 0) > now)
    return { kind: "later", delayMs: (record.until ?? now) - now };
  const ageMs = now - last.at;
  // A record from the future says that the clocks differ, and nothing about its age.
  if (!REST.has(record.kind) && ageMs > -LOOK_AGAIN_MS && ageMs < ackWaitMs * ALMOST)
    return { kind: "later", delayMs: Math.max(LOOK_AGAIN_MS, ackWaitMs - ageMs) };

  const before = await journal.all(name, signal);
  const origin = before.findLast((each) => each.record.origin !== undefined)?.record.origin;
  // Between the two reads somebody went on with it.
  if (origin === undefined || before.at(-1)?.sequence !== last.sequence)
    return { kind: "later", delayMs: LOOK_AGAIN_MS };
  const unfit = await options.unfit(origin);
  if (unfit !== undefined) {
    if (record.snapshot.pause?.reason !== unfit) {
      const waiting = waitingRecord(options, record.owner, record.snapshot, unfit);
      await journal.append(name, waiting, { after: last.sequence, signal });
    }
    return { kind: "later", delayMs: OFFER_AGAIN_MS };
  }
  const died = !REST.has(record.kind);
  const attempt = record.snapshot.attempt + (isNewAttempt(record) && !(died && gotFurther(before)) ? 1 : 0);
  if (died && attempt === options.maxAttempts && !options.takeLastAttempt())
    return { kind: "later", delayMs: LOOK_AGAIN_MS };
  const claimed = claimRecord(options, record.owner, started(record.snapshot, attempt, now));
  const sequence = await journal.append(name, claimed, { after: last.sequence, signal });
  if (sequence === undefined) return { kind: "theirs" };
  return { kind: "ours", fence: sequence, snapshot: claimed.snapshot, origin, records: before };
}

/** After these nobody runs it. */
const REST: ReadonlySet<string> = new Set(["parked", "attempt-failed", "waiting", "retried"]);

/** Going on after a rest is no new attempt; beginning after a failure, or after a process that is gone, is. */
function isNewAttempt({ kind, givenBack, snapshot }: OperationRecord): boolean {
  if (kind === "parked" || kind === "waiting") return snapshot.attempt === 0;
  return givenBack !== true;
}

/** Whether the newest run recorded something that the next one need not do again. */
function gotFurther(records: readonly StoredRecord[]): boolean {
  const claimed = records.findLastIndex(({ record }) => record.kind === "claimed");
  return records.slice(claimed + 1).some(({ record }) => LASTING.has(record.kind));
}

const LASTING: ReadonlySet<string> = new Set(["step", "checkpoint"]);

function started(snapshot: OperationSnapshot, attempt: number, now: number): OperationSnapshot {
  const { pause: _, ...kept } = snapshot;
  return {
    ...kept,
    state: "running",
    attempt,
    revision: snapshot.revision + 1,
    startedAt: snapshot.startedAt ?? now,
    updatedAt: now,
  };
}

function claimRecord(
  { claim, replica }: ClaimOptions,
  owner: string,
  snapshot: OperationSnapshot,
  origin?: OperationOrigin,
): OperationRecord {
  return { kind: "claimed", claim, owner, snapshot, name: replica, ...(origin === undefined ? {} : { origin }) };
}

function waitingRecord(
  { claim, nowMs }: ClaimOptions,
  owner: string,
  snapshot: OperationSnapshot,
  reason: string,
  origin?: OperationOrigin,
): OperationRecord {
  return {
    kind: "waiting",
    claim,
    owner,
    snapshot: {
      ...snapshot,
      revision: snapshot.revision + 1,
      updatedAt: Math.round(nowMs()),
      pause: { for: "replica", reason },
    },
    ...(origin === undefined ? {} : { origin }),
  };
}
