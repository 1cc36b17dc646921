import { pause } from "@trellis/client/internal";
import { OperationError } from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { OperationItem, StoredRecord } from "./operation-record.ts";

/** Where an operation stands: by its last record, or as it was accepted when nobody has begun it. */
export type Standing =
  | { readonly owner: string; readonly snapshot: OperationSnapshot; readonly stored: StoredRecord }
  | {
      readonly owner: string;
      readonly snapshot: OperationSnapshot;
      readonly stored: undefined;
      readonly accepted: NonNullable<OperationItem["accepted"]>;
    };

/** Where an operation stands, as the leaders of its streams have it. */
export async function standingOf(journal: OperationJournal, name: OperationName): Promise<Standing | undefined> {
  for (const last of [false, true]) {
    const stored = await journal.last(name);
    if (stored !== undefined) return { owner: stored.record.owner, snapshot: stored.record.snapshot, stored };
    const accepted = await journal.accepted(name);
    if (accepted !== undefined)
      return { owner: accepted.origin.owner, snapshot: accepted.snapshot, stored: undefined, accepted };
    // Begun and finished between the two reads; the journal has it now.
    if (last) return undefined;
  }
  return undefined;
}

/** A server that was paused takes itself for the leader, until the others have told it that they chose another. */
const LOOK_AGAIN_MS = [50, 200, 750];

/** The same for its owner; others hear that there is none. That nobody knows it is only believed after a while. */
export async function standingFor(
  journal: OperationJournal,
  name: OperationName,
  principal: string,
): Promise<Standing> {
  let standing = await standingOf(journal, name);
  for (const ms of LOOK_AGAIN_MS) {
    if (standing !== undefined) break;
    await pause(ms);
    standing = await standingOf(journal, name);
  }
  if (standing === undefined || standing.owner !== principal) throw new OperationError("not_found", name.id);
  return standing;
}
