import type { Uploads } from "../transfers/uploads.ts";
import type { OperationChanges } from "./operation-changes.ts";
import type { OperationJournal } from "./operation-journal.ts";

/** What callers may ask about operations, the same at every replica. */
export interface ActionParts {
  readonly journal: OperationJournal;
  readonly changes: OperationChanges;
  readonly service: string;
  readonly contractId: string;
  readonly digest: string;
  readonly nowMs: () => number;
  readonly uploads: Uploads;
  /** Aborts when this replica stops: who waits here asks another. */
  readonly stopping: AbortSignal;
}
