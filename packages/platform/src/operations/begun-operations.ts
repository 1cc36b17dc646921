import { operationToken } from "@trellis/contracts";
import { isOver } from "@trellis/protocol";
import { type OperationJournal, type StoredRecord, storedRecord } from "@trellis/server/internal";

export interface BackwardRead {
  /** Only of this operation, by logical name. */
  readonly operation: string | undefined;
  /** The place to go back from; nothing: the newest record. */
  readonly before: number | undefined;
  readonly limit: number;
  readonly wanted: (record: StoredRecord) => boolean;
}

export interface BackwardPage {
  /** The last record of each operation, newest first. */
  readonly found: readonly StoredRecord[];
  /** Where the next page goes back from; nothing: that was all. */
  readonly next: number | undefined;
}

/** How much of a stream is looked at in one go, to begin with. */
const FIRST_WINDOW = 1_024;
/** A window with fewer records than this makes the next one twice as wide: what has expired leaves wide gaps. */
const SPARSE = 256;
/** One question reads no more records than this; whoever wants the rest asks on. */
const READ_AT_ONCE = 20_000;

/**
 * Reads a service's journals from the newest record backwards, in windows of sequences, so that the first page of a
 * million operations costs what it shows.
 *
 * 1. Within one question the first record met of an operation is its last.
 * 2. One that goes on after another question may have newer records than the place it began at: the leader is asked.
 *    An operation that is over has one record only.
 */
export async function begunOperations(
  journal: OperationJournal,
  service: string,
  { operation, before, limit, wanted }: BackwardRead,
): Promise<BackwardPage> {
  const subject = `trellis.ops.${service}.journal.${operation === undefined ? ">" : `${operationToken(operation)}.>`}`;
  let below = before ?? ((await journal.stream.lastOfLeader(subject))?.sequence ?? 0) + 1;
  const seen = new Set<string>();
  const found: StoredRecord[] = [];
  let width = FIRST_WINDOW;
  for (let read = 0; below > 1 && read < READ_AT_ONCE;) {
    const from = Math.max(1, below - width);
    const window = await readWindow(journal, subject, from, below);
    for (const stored of window.toReversed()) {
      const { id } = stored.record.snapshot;
      if (seen.has(id)) continue;
      seen.add(id);
      if (!wanted(stored) || (before !== undefined && !(await isLast(journal, stored)))) continue;
      found.push(stored);
      if (found.length === limit) return { found, next: stored.sequence > 1 ? stored.sequence : undefined };
    }
    read += window.length;
    below = from;
    if (window.length < SPARSE) width *= 2;
  }
  return { found, next: below > 1 ? below : undefined };
}

/** The records of a window, oldest first. */
async function readWindow(
  journal: OperationJournal,
  subject: string,
  from: number,
  below: number,
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  let next = from;
  for (let pending = 1; pending > 0 && next < below;) {
    const page = await journal.stream.page({ from: next, subject, messages: below - next }, (message) => {
      next = message.sequence + 1;
      const stored = message.sequence < below ? storedRecord(message) : undefined;
      if (stored !== undefined) records.push(stored);
    });
    ({ pending } = page);
  }
  return records;
}

async function isLast(journal: OperationJournal, { sequence, record }: StoredRecord): Promise<boolean> {
  const { state, operation, id } = record.snapshot;
  return isOver(state) || (await journal.last({ operation, id }))?.sequence === sequence;
}
