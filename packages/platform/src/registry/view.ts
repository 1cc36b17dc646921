import { MemoryTable } from "./memory-table.ts";
import type { Slot } from "./memory-table.ts";
import { RegistryClosedError } from "./errors.ts";
import type { RecordChange, Revision, Table, TableDefinition } from "./registry.ts";
import type { IncomingRecord } from "./commit-assembler.ts";

/** A record as it was written, of a table nobody has asked for yet. */
interface Unclaimed {
  readonly value: unknown;
  readonly version: number;
}

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface ViewOptions {
  /** Called for a listener that threw; the view goes on. */
  readonly onListenerError: (error: unknown) => void;
  /** Called for a record that cannot be read; it counts as absent and cannot be overwritten. */
  readonly onUnreadable: (table: string, id: string, why: string) => void;
}

/** The registry in memory: typed tables, how far they have been read, and who waits for them. */
export class View {
  readonly #options: ViewOptions;
  readonly #tables = new Map<string, MemoryTable<unknown>>();
  readonly #definitions = new Map<string, TableDefinition<unknown>>();
  readonly #unclaimed = new Set<string>();
  readonly #listeners = new Set<(changes: readonly RecordChange[]) => void>();
  readonly #watchedTransactions = new Map<string, (revision: Revision) => void>();
  #waiters: Waiter[] = [];
  #revision: Revision = 0;

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  get revision(): Revision {
    return this.#revision;
  }

  table<T>(definition: TableDefinition<T>): Table<T> {
    const { name } = definition;
    const known = this.#definitions.get(name);
    if (known && known !== definition) throw new TypeError(`Two different definitions of the table ${name}.`);
    if (!known) this.#claim(definition);
    // The table under this name was made from this very definition.
    return this.#tables.get(name) as unknown as MemoryTable<T>;
  }

  slot(table: string, id: string): Slot<unknown> | undefined {
    return this.#tables.get(table)?.slot(id);
  }

  /** Applies one commit; readers see all of it or nothing. */
  apply(commit: readonly IncomingRecord[]): void {
    const changes: RecordChange[] = [];
    let newest = this.#revision;
    for (const record of commit) {
      newest = Math.max(newest, record.seq);
      const change = this.#store(record);
      if (change) changes.push(change);
    }
    this.#advance(newest);
    this.#tell(changes);
    for (const { envelope, seq } of commit) this.#watchedTransactions.get(envelope.tx)?.(seq);
  }

  /** Takes records without telling anybody: the first listing, before anyone reads. */
  load(record: IncomingRecord): void {
    this.#store(record);
  }

  /** The stream holds nothing for us up to this sequence. */
  advanceTo(revision: Revision): void {
    if (revision > this.#revision) this.#advance(revision);
  }

  /** Makes the view equal to a whole listing, telling the difference as one commit. */
  replaceWith(listing: readonly IncomingRecord[], revision: Revision, rebuilt: boolean): void {
    const changes: RecordChange[] = [];
    const listed = new Map<string, Set<string>>();
    for (const record of listing) {
      const ids = listed.get(record.table);
      if (ids) ids.add(record.id);
      else listed.set(record.table, new Set([record.id]));
    }
    for (const [name, table] of this.#tables) {
      // A copy: records are forgotten on the way.
      for (const id of Array.from(table.ids())) {
        const slot = table.slot(id);
        if (slot === undefined || (!rebuilt && listed.get(name)?.has(id))) continue;
        table.forget(id);
        if (slot.state !== "deleted" && !listed.get(name)?.has(id))
          changes.push({ table: name, id, revision, deleted: true });
      }
    }
    for (const record of listing) {
      const change = this.#store(record);
      if (change) changes.push(change);
    }
    if (rebuilt) this.#revision = revision;
    this.#advance(Math.max(revision, this.#revision));
    this.#tell(changes);
    for (const { envelope, seq } of listing) this.#watchedTransactions.get(envelope.tx)?.(seq);
  }

  /** What the leader says about one subject differs from the view although nothing is pending: correct it. */
  correctMarker(table: string, id: string, revision: Revision | undefined): void {
    const memory = this.#tables.get(table);
    if (!memory || memory.get(id)) return;
    if (revision === undefined) memory.forget(id);
    else memory.markDeleted(id, revision, Date.now(), []);
  }

  forgetMarkersBefore(time: number): void {
    for (const table of this.#tables.values()) table.forgetMarkersBefore(time);
  }

  newestIn(tables: ReadonlySet<string>): Revision {
    let newest = 0;
    for (const [name, table] of this.#tables) if (tables.has(name)) newest = Math.max(newest, table.newest());
    return newest;
  }

  onChange(listener: (changes: readonly RecordChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `seen` when the follower meets this transaction. */
  watchTransaction(tx: string, seen: (revision: Revision) => void): () => void {
    this.#watchedTransactions.set(tx, seen);
    return () => this.#watchedTransactions.delete(tx);
  }

  reached(revision: Revision, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve();
    if (signal?.aborted) return Promise.reject(abortError(signal));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        revision,
        resolve: () => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        },
        reject: (error) => {
          signal?.removeEventListener("abort", aborted);
          reject(error);
        },
      };
      const aborted = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        if (signal) reject(abortError(signal));
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiters.push(waiter);
    });
  }

  close(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(new RegistryClosedError());
    this.#listeners.clear();
  }

  #claim<T>(definition: TableDefinition<T>): void {
    const { name } = definition;
    const before = this.#unclaimed.delete(name) ? this.#tables.get(name) : undefined;
    const table = new MemoryTable<T>(definition);
    // Tables of every type live in one map; `table()` gives each back under the type of its definition.
    this.#tables.set(name, table as unknown as MemoryTable<unknown>);
    this.#definitions.set(name, definition as unknown as TableDefinition<unknown>);
    if (!before) return;
    for (const id of before.ids()) {
      const slot = before.slot(id);
      if (slot?.state === "present") {
        const { value, version } = slot.entry.value as Unclaimed;
        table.put(id, slot.entry.revision, { value, version, after: slot.after });
        this.#reportUnreadable(name, id, table.slot(id));
      } else if (slot?.state === "deleted") table.markDeleted(id, slot.revision, slot.at, slot.after);
    }
  }

  #store(record: IncomingRecord): RecordChange | undefined {
    const { table: name, id, seq, envelope } = record;
    let table = this.#tables.get(name);
    if (!table) {
      table = new MemoryTable<unknown>({
        name,
        version: 0,
        decode: (value, version): Unclaimed => ({ value, version }),
      });
      this.#tables.set(name, table);
      this.#unclaimed.add(name);
    }
    const before = table.slot(id);
    if (before && revisionOf(before) >= seq) return undefined;
    const after = envelope.tx === "" ? envelope.after : [envelope.tx, ...envelope.after];
    if (envelope.deleted) {
      table.markDeleted(id, seq, record.time, after);
      return before && before.state !== "deleted" ? { table: name, id, revision: seq, deleted: true } : undefined;
    }
    table.put(id, seq, { value: envelope.value, version: envelope.version, after });
    this.#reportUnreadable(name, id, table.slot(id));
    return { table: name, id, revision: seq, deleted: false };
  }

  #reportUnreadable(table: string, id: string, slot: Slot<unknown> | undefined): void {
    if (slot?.state === "unreadable") this.#options.onUnreadable(table, id, slot.why);
  }

  #advance(revision: Revision): void {
    this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter((waiter) => waiter.revision <= revision);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of ready) waiter.resolve();
  }

  #tell(changes: readonly RecordChange[]): void {
    if (changes.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(changes);
      } catch (error) {
        this.#options.onListenerError(error);
      }
    }
  }
}

export function revisionOf(slot: Slot<unknown>): Revision {
  return slot.state === "present" ? slot.entry.revision : slot.revision;
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("Aborted.");
}
