import type { OperationSnapshot } from "@trellis/protocol";
import type { HistoryEntry, RecordKind, StoredRecord } from "./operation-record.ts";

/** The end of an operation keeps so many lines of its history: the first and the last ones. */
const KEPT = 200;

/** What the records of a journal say, without their values. */
export function historyOf(records: readonly StoredRecord[]): HistoryEntry[] {
  return records.flatMap(({ record }) => {
    if (record.history !== undefined) return record.history;
    if (record.kind === "progress") return [];
    return [newHistoryEntry(record.kind, record.snapshot, record.name, record.message)];
  });
}

export function newHistoryEntry(
  kind: RecordKind,
  { updatedAt, attempt }: OperationSnapshot,
  name?: string,
  message?: string,
): HistoryEntry {
  return {
    kind,
    at: updatedAt,
    attempt,
    ...(name === undefined ? {} : { name }),
    ...(message === undefined ? {} : { message }),
  };
}

/** Leaves out the middle of a history that is too long. */
export function shortened(history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  return history.length <= KEPT ? history : [...history.slice(0, KEPT / 2), ...history.slice(-KEPT / 2)];
}
