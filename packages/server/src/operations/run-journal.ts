import { pause } from "@trellis/client/internal";
import type { OperationSnapshot } from "@trellis/protocol";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import type { Log } from "../log.ts";
import type { OperationChanges } from "./operation-changes.ts";
import type { Claimed } from "./operation-claim.ts";
import { historyOf, newHistoryEntry, shortened } from "./operation-history.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { HistoryEntry, OperationRecord, RecordKind } from "./operation-record.ts";

/** What a run has come to. Nothing is written after any of these. */
export type Gone = "ended" | "parked" | "given back" | "lost";

export interface RunJournalParts {
  readonly journal: OperationJournal;
  readonly changes: OperationChanges;
  readonly name: OperationName;
  readonly claim: string;
  readonly nowMs: () => number;
  /** Gives up waiting for a server or for room. */
  readonly quit: AbortSignal;
  readonly log: () => Log;
  /** Somebody else has the operation. */
  readonly onLost: () => void;
}

const FULL_AGAIN_MS = 500;

/** What one run writes, one record after the other: each expects the one this run wrote before it, its claim first. */
export class RunJournal {
  readonly #parts: RunJournalParts;
  readonly #owner: string;
  readonly #history: HistoryEntry[];
  #snapshot: OperationSnapshot;
  #sequence: number;
  #tail: Promise<unknown> = Promise.resolve();
  #seenAt = performance.now();
  #gone: Gone | undefined;

  constructor(parts: RunJournalParts, claimed: Extract<Claimed, { readonly kind: "ours" }>) {
    this.#parts = parts;
    this.#owner = claimed.origin.owner;
    this.#sequence = claimed.fence;
    this.#snapshot = claimed.snapshot;
    this.#history = [...historyOf(claimed.records), newHistoryEntry("claimed", claimed.snapshot)];
  }

  get snapshot(): OperationSnapshot {
    return this.#snapshot;
  }

  get gone(): Gone | undefined {
    return this.#gone;
  }

  /** Nobody had it before this run. */
  get isNew(): boolean {
    return this.#history.length === 1;
  }

  /** The history as it is once it has ended like this. */
  endedHistory(kind: "completed" | "failed" | "cancelled", endedAt: number, message?: string): readonly HistoryEntry[] {
    const last = newHistoryEntry(kind, { ...this.#snapshot, updatedAt: endedAt }, undefined, message);
    return shortened([...this.#history, last]);
  }

  /** From here on nothing is written. */
  close(gone: Gone): void {
    this.#gone ??= gone;
  }

  /** Does it after everything that is being written, and before anything else is. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(task);
    this.#tail = done.catch(() => undefined);
    return done;
  }

  /**
   * Stores the next record, in its turn; `false` when there is no next one. Throws what the record itself is to blame for, such
   * as its size.
   */
  async write(
    kind: RecordKind,
    members: Partial<OperationRecord>,
    change: Partial<OperationSnapshot>,
    replaceForMs?: number,
  ): Promise<boolean> {
    if (this.#gone !== undefined) return false;
    const { name, claim, nowMs, changes } = this.#parts;
    const { pause: _, ...before } = this.#snapshot;
    const snapshot: OperationSnapshot = {
      ...before,
      ...change,
      revision: before.revision + 1,
      updatedAt: Math.round(nowMs()),
    };
    const record: OperationRecord = { kind, claim, owner: this.#owner, snapshot, ...members };
    const sequence = await this.#store(record, replaceForMs);
    if (sequence === undefined) {
      this.#lose();
      return false;
    }
    this.#sequence = sequence;
    this.#snapshot = snapshot;
    this.#seenAt = performance.now();
    changes.hear(name, { sequence, at: snapshot.updatedAt, record });
    if (kind !== "progress") this.#history.push(newHistoryEntry(kind, snapshot, members.name, members.message));
    return true;
  }

  /** Whether the operation is still this run's, as was seen within this time: looks when it was not. */
  async isOurs(withinMs: number): Promise<boolean> {
    if (this.#gone === undefined && performance.now() - this.#seenAt > withinMs)
      await this.inTurn(async () => {
        if (this.#gone !== undefined) return;
        const last = await this.#parts.journal.last(this.#parts.name);
        if (last?.record.claim !== this.#parts.claim) this.#lose();
        else this.#seenAt = performance.now();
      });
    return this.#gone === undefined;
  }

  async #store(record: OperationRecord, replaceForMs: number | undefined): Promise<number | undefined> {
    const { journal, name, quit, log } = this.#parts;
    const options = {
      after: this.#sequence,
      signal: quit,
      ...(replaceForMs === undefined ? {} : { replaceForMs }),
    };
    for (;;) {
      try {
        return await journal.append(name, record, options);
      } catch (error) {
        if (!(error instanceof StreamRefused) || !error.isFull) throw error;
        // The work was done: it is kept until there is room, or somebody else has the operation.
        log().warn("A record of an operation waits: its stream is full.", { record: record.kind, error });
        if (!(await pause(FULL_AGAIN_MS, quit))) throw error;
      }
    }
  }

  #lose(): void {
    if (this.#gone !== undefined) return;
    this.#gone = "lost";
    this.#parts.log().warn("Another replica has taken this operation over.", {});
    this.#parts.onLost();
  }
}
