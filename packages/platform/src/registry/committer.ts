import type { NatsConnection } from "@nats-io/nats-core";
import { isNoResponders } from "../nats-away.ts";
import { encodeEnvelope, REMEMBERED_WRITERS } from "./envelope.ts";
import { headersOf, isConflict, isInProcess, JetStreamApiError, publishStored } from "./jetstream-api.ts";
import { recordSubject } from "./record-subject.ts";
import type { Revision } from "./registry.ts";
import type { StagedWrite } from "./staged-transaction.ts";

/** The server takes 1 000 messages in a batch; a transaction of this size is a mistake in the caller. */
export const MAX_WRITES = 500;

export interface Attempt {
  readonly tx: string;
  readonly writes: readonly StagedWrite[];
  /** Set when the decision read records it does not write: nothing at all may have changed since. */
  readonly expectedRevision: Revision | undefined;
}

/**
 * What became of one attempt. `unknown`: it was sent, no answer came. `unsent`: surely not stored, worth another try.
 * `overtaken`: surely not stored, because something else is being stored at this moment.
 */
export type Outcome =
  | { readonly kind: "committed"; readonly revision: Revision }
  | { readonly kind: "conflict" }
  | { readonly kind: "overtaken"; readonly error: unknown }
  | { readonly kind: "unsent"; readonly error: unknown }
  | { readonly kind: "unknown"; readonly error: unknown };

export interface CommitOptions {
  readonly timeoutMs: number;
  /** How long the marker of a deleted record stays. */
  readonly deletedTtlMs: number;
}

/** A batch that was not stored because its parts did not all arrive (a reconnect), or too many were open at once. */
const BATCH_NOT_STORED = new Set([10176, 10210, 10211]);

/**
 * Publishes one attempt: a single record by compare-and-set, several as one atomic batch. The expectations are raw
 * headers on every message, because the batch API of nats.js drops them without a word.
 */
export async function commit(nc: NatsConnection, attempt: Attempt, options: CommitOptions): Promise<Outcome> {
  const { writes } = attempt;
  if (writes.length > MAX_WRITES)
    throw new RangeError(`A transaction of ${writes.length} records; the most is ${MAX_WRITES}.`);
  const of = writes.length;
  try {
    for (const [index, write] of writes.entries()) {
      const subject = recordSubject(write.table, write.id);
      const data = encodeEnvelope({
        version: write.version,
        tx: attempt.tx,
        part: index + 1,
        of,
        after: write.after.slice(0, REMEMBERED_WRITERS),
        deleted: write.kind === "delete",
        value: write.value,
      });
      const headers = headersOf({
        "Nats-Expected-Last-Subject-Sequence": String(write.expected),
        "Nats-Expected-Last-Sequence":
          index === 0 && attempt.expectedRevision !== undefined ? String(attempt.expectedRevision) : undefined,
        "Nats-TTL": ttlHeader(write.kind === "delete" ? options.deletedTtlMs : write.ttlMs),
        ...(of > 1
          ? {
              "Nats-Batch-Id": attempt.tx,
              "Nats-Batch-Sequence": String(index + 1),
              "Nats-Batch-Commit": index === of - 1 ? "1" : undefined,
            }
          : {}),
      });
      if (index < of - 1) nc.publish(subject, data, { headers });
      else {
        const ack = await publishStored(nc, subject, data, { headers, timeoutMs: options.timeoutMs });
        return { kind: "committed", revision: ack.seq };
      }
    }
  } catch (error) {
    if (isInProcess(error)) return { kind: "overtaken", error };
    if (isConflict(error)) return { kind: "conflict" };
    if (error instanceof JetStreamApiError) {
      if (BATCH_NOT_STORED.has(error.errCode) || error.code === 503) return { kind: "unsent", error };
      throw error;
    }
    if (isNoResponders(error)) return { kind: "unsent", error };
    return { kind: "unknown", error };
  }
  throw new RangeError("A transaction without records.");
}

function ttlHeader(ttlMs: number | undefined): string | undefined {
  return ttlMs === undefined ? undefined : `${Math.max(1, Math.ceil(ttlMs / 1_000))}s`;
}
