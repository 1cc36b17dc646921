import { RecordUnreadableError } from "./errors.ts";
import type { Entry, Revision, Table, Transaction } from "./registry.ts";
import { revisionOf } from "./view.ts";
import type { View } from "./view.ts";

export interface StagedWrite {
  readonly table: string;
  readonly id: string;
  readonly version: number;
  readonly kind: "put" | "delete";
  readonly value: unknown;
  readonly ttlMs: number | undefined;
  /** Revision the subject must still have; 0: nothing there. */
  readonly expected: Revision;
  readonly after: readonly string[];
}

/** Collects what one run of a decision read and wants written. It sees its own writes. */
export class StagedTransaction implements Transaction {
  readonly #view: View;
  readonly #writes = new Map<string, StagedWrite>();
  readonly #read = new Set<string>();
  #scanned = false;
  /** The revision this decision was made on. */
  readonly revision: Revision;

  constructor(view: View) {
    this.#view = view;
    this.revision = view.revision;
  }

  get writes(): readonly StagedWrite[] {
    return [...this.#writes.values()];
  }

  /** Whether something was read that is not written: then the whole registry must stand still for the commit. */
  get dependsOnOthers(): boolean {
    if (this.#scanned) return true;
    for (const key of this.#read) if (!this.#writes.has(key)) return true;
    return false;
  }

  get<T>(table: Table<T>, id: string): T | undefined {
    const { name } = table.definition;
    const key = keyOf(name, id);
    const staged = this.#writes.get(key);
    // A value staged for this table came through `put` with the table's own type.
    if (staged) return staged.kind === "put" ? (staged.value as T) : undefined;
    this.#read.add(key);
    const slot = this.#view.slot(name, id);
    if (slot?.state === "unreadable") throw new RecordUnreadableError(name, id, slot.why);
    return table.get(id)?.value;
  }

  by<T>(table: Table<T>, index: string, key: string): readonly Entry<T>[] {
    this.#scanned = true;
    const { name, indexes } = table.definition;
    const found = new Map(table.by(index, key).map((entry) => [entry.id, entry]));
    for (const write of this.#writes.values()) {
      if (write.table !== name) continue;
      found.delete(write.id);
      if (write.kind === "delete") continue;
      const value = write.value as T;
      if (indexes?.[index]?.(value).includes(key))
        found.set(write.id, { id: write.id, revision: write.expected, value });
    }
    return [...found.values()];
  }

  put<T>(table: Table<T>, id: string, value: T, options: { readonly ttlMs?: number } = {}): void {
    this.#stage(table, id, { kind: "put", value, ttlMs: options.ttlMs });
  }

  delete<T>(table: Table<T>, id: string): void {
    const { name } = table.definition;
    if (!table.get(id) && this.#view.slot(name, id)?.state !== "unreadable") {
      // Nothing stored: forget a staged write, and depend on there being nothing.
      this.#writes.delete(keyOf(name, id));
      this.#read.add(keyOf(name, id));
      return;
    }
    this.#stage(table, id, { kind: "delete", value: undefined, ttlMs: undefined });
  }

  #stage<T>(
    table: Table<T>,
    id: string,
    write: { readonly kind: "put" | "delete"; readonly value: unknown; readonly ttlMs: number | undefined },
  ): void {
    const { name, version } = table.definition;
    const slot = this.#view.slot(name, id);
    if (slot?.state === "unreadable") throw new RecordUnreadableError(name, id, slot.why);
    // What cannot be read again must not be stored: nobody could change it any more. Throws where the mistake is.
    if (write.kind === "put") table.definition.decode(JSON.parse(JSON.stringify(write.value)), version);
    this.#writes.set(keyOf(name, id), {
      table: name,
      id,
      version,
      ...write,
      expected: slot ? revisionOf(slot) : 0,
      after: slot?.after ?? [],
    });
  }
}

function keyOf(table: string, id: string): string {
  return `${table} ${id}`;
}
