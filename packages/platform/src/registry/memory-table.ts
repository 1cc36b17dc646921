import type { Entry, Revision, Table, TableDefinition } from "./registry.ts";

/** What the view knows of one subject: a record, a record it cannot read, or that there was one. */
export type Slot<T> =
  | { readonly state: "present"; readonly entry: Entry<T>; readonly after: readonly string[] }
  | {
      readonly state: "unreadable";
      readonly revision: Revision;
      readonly why: string;
      readonly after: readonly string[];
    }
  | { readonly state: "deleted"; readonly revision: Revision; readonly at: number; readonly after: readonly string[] };

/** One table in memory with its secondary indexes. */
export class MemoryTable<T> implements Table<T> {
  readonly definition: TableDefinition<T>;
  readonly #slots = new Map<string, Slot<T>>();
  /** Most keys file one record: a set for each would cost more than the records. */
  readonly #indexes = new Map<string, Map<string, string | Set<string>>>();
  #size = 0;

  constructor(definition: TableDefinition<T>) {
    this.definition = definition;
    for (const name of Object.keys(definition.indexes ?? {})) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#size;
  }

  get(id: string): Entry<T> | undefined {
    const slot = this.#slots.get(id);
    return slot?.state === "present" ? slot.entry : undefined;
  }

  by(index: string, key: string): readonly Entry<T>[] {
    const keys = this.#indexes.get(index);
    if (!keys) throw new TypeError(`Table ${this.definition.name} has no index ${index}.`);
    const found: Entry<T>[] = [];
    const filed = keys.get(key) ?? [];
    for (const id of typeof filed === "string" ? [filed] : filed) {
      const entry = this.get(id);
      if (entry) found.push(entry);
    }
    return found;
  }

  *all(): IterableIterator<Entry<T>> {
    for (const slot of this.#slots.values()) if (slot.state === "present") yield slot.entry;
  }

  slot(id: string): Slot<T> | undefined {
    return this.#slots.get(id);
  }

  ids(): IterableIterator<string> {
    return this.#slots.keys();
  }

  /** Newest revision of any record or marker. */
  newest(): Revision {
    let newest = 0;
    for (const slot of this.#slots.values())
      newest = Math.max(newest, slot.state === "present" ? slot.entry.revision : slot.revision);
    return newest;
  }

  put(
    id: string,
    revision: Revision,
    written: { readonly value: unknown; readonly version: number; readonly after: readonly string[] },
  ): void {
    const { after } = written;
    try {
      const value = this.definition.decode(written.value, written.version);
      this.#replace(id, { state: "present", entry: { id, revision, value }, after });
    } catch (error) {
      this.#replace(id, {
        state: "unreadable",
        revision,
        why: error instanceof Error ? error.message : String(error),
        after,
      });
    }
  }

  markDeleted(id: string, revision: Revision, at: number, after: readonly string[]): void {
    this.#replace(id, { state: "deleted", revision, at, after });
  }

  /** Forgets a marker or a record that the stream no longer has. */
  forget(id: string): void {
    this.#unindex(id);
    this.#slots.delete(id);
  }

  /** Markers older than this are gone from the stream too. */
  forgetMarkersBefore(time: number): void {
    for (const [id, slot] of this.#slots) if (slot.state === "deleted" && slot.at < time) this.#slots.delete(id);
  }

  #replace(id: string, slot: Slot<T>): void {
    this.#unindex(id);
    this.#slots.set(id, slot);
    if (slot.state !== "present") return;
    this.#size += 1;
    for (const [index, keys] of this.#indexes) {
      for (const key of this.#keysOf(index, slot.entry.value)) {
        const filed = keys.get(key);
        if (filed === undefined) keys.set(key, id);
        else if (typeof filed !== "string") filed.add(id);
        else if (filed !== id) keys.set(key, new Set([filed, id]));
      }
    }
  }

  #unindex(id: string): void {
    const old = this.#slots.get(id);
    if (old?.state !== "present") return;
    this.#size -= 1;
    for (const [index, keys] of this.#indexes) {
      for (const key of this.#keysOf(index, old.entry.value)) {
        const filed = keys.get(key);
        if (filed === id) keys.delete(key);
        else if (filed !== undefined && typeof filed !== "string") {
          filed.delete(id);
          if (filed.size === 0) keys.delete(key);
        }
      }
    }
  }

  #keysOf(index: string, value: T): readonly string[] {
    return this.definition.indexes?.[index]?.(value) ?? [];
  }
}
