import type { OperationEvent, OperationEventType } from "@trellis/protocol";
import type { OperationRecord, RecordKind } from "./operation-record.ts";

/** What a record tells those who watch; nothing when it is the owner's own affair. */
const TOLD: { readonly [K in RecordKind]: OperationEventType | undefined } = {
  claimed: "started",
  step: "step",
  slept: undefined,
  checkpoint: undefined,
  progress: "progress",
  signal: "signal",
  cancelling: "waiting",
  attached: undefined,
  transferred: "transfer",
  parked: "waiting",
  "attempt-failed": "waiting",
  waiting: "waiting",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  retried: "accepted",
};

export function eventOf({ kind, name, snapshot }: OperationRecord): OperationEvent | undefined {
  const type = TOLD[kind];
  if (type === undefined) return undefined;
  return { type, snapshot, ...(name !== undefined && (type === "step" || type === "signal") ? { name } : {}) };
}
