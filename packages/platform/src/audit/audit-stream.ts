import type { NatsConnection } from "@nats-io/nats-core";
import {
  ensureStream,
  headersOf,
  isConflict,
  isInProcess,
  publishStored,
  storedMessage,
  streamState,
} from "../registry/jetstream-api.ts";
import type { WantedStream } from "../registry/jetstream-api.ts";
import { AUDIT_OUTBOX, type AuditRecord } from "../tables.ts";
import type { AuditFilter, AuditLog } from "./audit.ts";

/** Audit records have a stream, and a retention, of their own. */
export const AUDIT_STREAM = "AUDIT";

/** Records looked through for one page: a filter that matches nothing must not read the whole log in one request. */
const SCAN_LIMIT = 2_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function auditStream(replicas: 1 | 3, maxAgeMs: number): WantedStream {
  return {
    name: AUDIT_STREAM,
    description: "Who changed what",
    subjects: ["audit.>"],
    storage: "file",
    retention: "limits",
    discard: "old",
    num_replicas: replicas,
    max_age: maxAgeMs * 1_000_000,
    deny_delete: true,
    deny_purge: true,
  };
}

/** Opens the log, making its stream when there is none. */
export async function openAuditLog(options: {
  readonly nc: NatsConnection;
  readonly replicas: 1 | 3;
  readonly maxAgeMs: number;
}): Promise<AuditLog> {
  const { nc, replicas, maxAgeMs } = options;
  await ensureStream(nc, auditStream(replicas, maxAgeMs));
  return {
    append: async (record) => {
      try {
        // Expecting nothing under its id: a record that was moved twice is stored once, however much later.
        await publishStored(nc, `audit.${record.id}`, encoder.encode(JSON.stringify(record)), {
          headers: headersOf({ "Nats-Expected-Last-Subject-Sequence": "0" }),
        });
      } catch (error) {
        // What is only on its way may still be lost.
        if (!isConflict(error) || isInProcess(error)) throw error;
      }
    },
    list: async (filter) => {
      const state = await streamState(nc, AUDIT_STREAM);
      const from = Math.min(state.lastSeq, before(filter.cursor));
      const floor = Math.max(state.firstSeq, from - SCAN_LIMIT + 1, 1);
      const records: AuditRecord[] = [];
      for (let seq = from; seq >= floor; seq -= 1) {
        if (records.length === filter.limit) return { records, nextCursor: String(seq + 1) };
        const message = await storedMessage(nc, AUDIT_STREAM, { seq });
        const record = message && read(message.data);
        if (record && matches(record, filter)) records.push(record);
      }
      return { records, ...(floor > Math.max(state.firstSeq, 1) ? { nextCursor: String(floor) } : {}) };
    },
  };
}

/** A cursor is the sequence the page before ended at. */
function before(cursor: string | undefined): number {
  const sequence = Number(cursor ?? Number.NaN);
  return Number.isSafeInteger(sequence) ? sequence - 1 : Number.MAX_SAFE_INTEGER;
}

function matches(record: AuditRecord, { actor, action, target }: AuditFilter): boolean {
  return (
    (actor === undefined || record.actor.name === actor || record.actor.id === actor) &&
    (action === undefined || record.action === action || record.action.startsWith(`${action}.`)) &&
    (target === undefined || record.target === target)
  );
}

function read(data: Uint8Array): AuditRecord | undefined {
  try {
    return AUDIT_OUTBOX.decode(JSON.parse(decoder.decode(data)), AUDIT_OUTBOX.version);
  } catch {
    return undefined;
  }
}
