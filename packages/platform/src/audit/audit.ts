import type { Json } from "@trellis/contracts";
import { monotonicFactory } from "ulid";
import type { Table, Transaction } from "../registry/registry.ts";
import type { Actor, AuditRecord } from "../tables.ts";

/** Which audit records to list, newest first. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly cursor?: string;
  readonly limit: number;
}

/** Where audit records end up. Appending one twice (same id) stores it once. */
export interface AuditLog {
  append(record: AuditRecord): Promise<void>;
  list(filter: AuditFilter): Promise<{ readonly records: readonly AuditRecord[]; readonly nextCursor?: string }>;
}

const ulid = monotonicFactory();

/** A new identifier: sorts by time, also within one millisecond of one replica. */
export function newId(now: number): string {
  return ulid(now);
}

/**
 * Records a change together with the change: the record is staged in the same transaction and moved to the log later,
 * so that a control plane killed between the two loses neither.
 */
export function recordAudit(
  tx: Transaction,
  outbox: Table<AuditRecord>,
  entry: {
    readonly now: number;
    readonly actor: Actor;
    readonly action: string;
    readonly target: string;
    readonly detail?: Json;
  },
): void {
  const { now, actor, action, target, detail } = entry;
  const id = newId(now);
  tx.put(outbox, id, { id, at: now, actor, action, target, ...(detail === undefined ? {} : { detail }) });
}
