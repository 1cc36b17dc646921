import { isOver, OperationError, randomToken, TransportError } from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import { historyOf, newHistoryEntry, shortened } from "./operation-history.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { OperationRecord, RecordKind } from "./operation-record.ts";
import type { Standing } from "./operation-standing.ts";

/** What is done to an operation by somebody who does not run it: each step expects the record it was decided on. */

const TRIES = 20;
const CLAIM_CHARACTERS = 12;
const WITHIN_MS = 20_000;

/** After these somebody runs it, or ran it until a moment ago. */
const RUN: ReadonlySet<RecordKind> = new Set([
  "claimed",
  "step",
  "slept",
  "checkpoint",
  "progress",
  "signal",
  "cancelling",
  "attached",
  "transferred",
]);

export interface OutsideOptions {
  /** Reads where the operation stands, and throws when whoever asks may not know. */
  readonly find: () => Promise<Standing>;
  readonly nowMs: () => number;
}

/** One that nobody runs is cancelled here and now; whoever runs one is told. */
export async function cancelOperation(
  journal: OperationJournal,
  name: OperationName,
  { find, nowMs, reason, token }: OutsideOptions & { readonly reason: string | undefined; readonly token: string },
): Promise<OperationSnapshot> {
  const why = reason === undefined ? {} : { reason };
  for (let tries = 0; tries < TRIES; tries += 1) {
    const standing = await find();
    const { snapshot, stored } = standing;
    if (snapshot.state === "cancelled") return snapshot;
    if (isOver(snapshot.state))
      throw new OperationError("over", name.id, `The operation is ${snapshot.state}; it cannot be cancelled any more.`);
    if (stored !== undefined && RUN.has(stored.record.kind)) {
      await journal.send(name, { kind: "cancel", ...why }, token);
      const after = await journal.last(name);
      // Put to rest a moment ago: then nobody has it who would look into the inbox.
      if (after === undefined || RUN.has(after.record.kind) || isOver(after.record.snapshot.state))
        return after?.record.snapshot ?? snapshot;
      continue;
    }
    const end = { kind: "cancelled", change: { state: "cancelled" }, nowMs, message: reason } as const;
    const ended = await endAtRest(journal, name, standing, end);
    if (ended !== undefined) return ended;
  }
  throw new TransportError("retry_later", { message: "The operation changed again and again; cancel it once more." });
}

/** Lets one that has failed or was cancelled begin again, with the input it had. */
export async function retryOperation(
  journal: OperationJournal,
  name: OperationName,
  { find, nowMs }: OutsideOptions,
): Promise<OperationSnapshot> {
  const { snapshot: before, stored, owner } = await find();
  const origin = stored?.record.origin;
  if (stored === undefined || (before.state !== "failed" && before.state !== "cancelled"))
    throw new OperationError(
      "over",
      name.id,
      `The operation is ${before.state}; only one that has failed begins again.`,
    );
  if (origin === undefined)
    throw new OperationError(
      "over",
      name.id,
      "The input of the operation was too large to be kept with its end; start it anew.",
    );
  const { id, operation, service, acceptedAt, revision } = before;
  const snapshot: OperationSnapshot = {
    id,
    operation,
    service,
    state: "pending",
    revision: revision + 1,
    attempt: 0,
    acceptedAt,
    updatedAt: Math.round(nowMs()),
  };
  const record: OperationRecord = {
    kind: "retried",
    claim: randomToken(CLAIM_CHARACTERS),
    owner,
    snapshot,
    origin,
    inbox: await journal.inboxEnd(name),
    history: shortened([...(stored.record.history ?? []), newHistoryEntry("retried", snapshot)]),
  };
  const sequence = await journal.append(name, record, { after: stored.sequence, replaceForMs: 0, withinMs: WITHIN_MS });
  if (sequence === undefined)
    throw new TransportError("retry_later", { message: "Somebody else changed the operation; look at it again." });
  await journal.wake(name);
  return snapshot;
}

/** Writes the end of an operation that nobody runs; `undefined` when it has changed meanwhile. */
export async function endAtRest(
  journal: OperationJournal,
  name: OperationName,
  standing: Standing,
  end: {
    readonly kind: "completed" | "failed" | "cancelled";
    readonly change: Partial<OperationSnapshot>;
    readonly nowMs: () => number;
    readonly message: string | undefined;
  },
): Promise<OperationSnapshot | undefined> {
  const records = standing.stored === undefined ? [] : await journal.all(name);
  const origin =
    standing.stored === undefined
      ? standing.accepted.origin
      : records.findLast(({ record }) => record.origin !== undefined)?.record.origin;
  // It has ended meanwhile, and its time to be kept is over.
  if (origin === undefined) return undefined;
  const now = Math.round(end.nowMs());
  const { pause: _, ...before } = standing.snapshot;
  const snapshot: OperationSnapshot = {
    ...before,
    ...end.change,
    revision: before.revision + 1,
    updatedAt: now,
    endedAt: now,
  };
  const history = [...historyOf(records), newHistoryEntry(end.kind, snapshot, undefined, end.message)];
  const record: OperationRecord = {
    kind: end.kind,
    claim: randomToken(CLAIM_CHARACTERS),
    owner: standing.owner,
    snapshot,
    origin,
    history: shortened(history),
    ...(end.message === undefined ? {} : { message: end.message }),
  };
  const stored = await journal.append(name, record, {
    after: standing.stored?.sequence ?? 0,
    replaceForMs: origin.retentionMs,
    withinMs: WITHIN_MS,
  });
  return stored === undefined ? undefined : snapshot;
}
