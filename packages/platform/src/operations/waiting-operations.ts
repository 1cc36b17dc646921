import type { OperationItem, OperationJournal } from "@trellis/server/internal";

type Accepted = NonNullable<OperationItem["accepted"]>;

export interface WaitingPage {
  /** Oldest first. */
  readonly found: readonly Accepted[];
  /** Where the next page begins; nothing: that was all. */
  readonly next: number | undefined;
}

/** Items that are looked at together. */
const AT_ONCE = 64;

/**
 * Operations that were accepted and that nobody has begun: they have an item in the queue and no journal yet. Items of
 * others stay there while they run, so each is looked up.
 */
export async function waitingOperations(
  journal: OperationJournal,
  {
    from,
    limit,
    wanted,
  }: { readonly from: number; readonly limit: number; readonly wanted: (one: Accepted) => boolean },
): Promise<WaitingPage> {
  const found: Accepted[] = [];
  for (let next: number | undefined = from; next !== undefined;) {
    const page = await journal.queued(next, AT_ONCE);
    const candidates = page.accepted.filter(({ accepted }) => wanted(accepted));
    const begun = await Promise.all(candidates.map(({ accepted }) => journal.last(accepted.snapshot)));
    for (const [index, { sequence, accepted }] of candidates.entries()) {
      if (begun[index] !== undefined) continue;
      found.push(accepted);
      if (found.length === limit) return { found, next: sequence + 1 };
    }
    next = page.next;
  }
  return { found, next: undefined };
}
