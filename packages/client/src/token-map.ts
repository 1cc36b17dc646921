interface Entry<V> {
  readonly key: string;
  readonly value: V;
  next: Entry<V> | undefined;
}

const FEWEST_BUCKETS = 256;

/**
 * A map for what comes and goes by the thousand, under texts that end in random characters. A table that a `Map` has outgrown
 * points to its successor (V8 needs that for iterators) and keeps the entries it had: once one of its tables is in the old
 * generation, all later ones stay with what was in them, until the whole heap is collected. That was most of what had ever been
 * there, and all it held. This one lets go of what is deleted.
 */
export class TokenMap<V> {
  #buckets = emptyBuckets<V>(FEWEST_BUCKETS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    for (let entry = this.#buckets[this.#bucketOf(key)]; entry !== undefined; entry = entry.next) {
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }

  /** In place of what there is under this key. */
  set(key: string, value: V): void {
    this.delete(key);
    this.#size += 1;
    if (this.#size > this.#buckets.length) this.#grow();
    const bucket = this.#bucketOf(key);
    this.#buckets[bucket] = { key, value, next: this.#buckets[bucket] };
  }

  delete(key: string): boolean {
    const bucket = this.#bucketOf(key);
    let before: Entry<V> | undefined;
    for (let entry = this.#buckets[bucket]; entry !== undefined; before = entry, entry = entry.next) {
      if (entry.key !== key) continue;
      if (before === undefined) this.#buckets[bucket] = entry.next;
      else before.next = entry.next;
      // What is gone keeps nothing else alive.
      entry.next = undefined;
      this.#size -= 1;
      return true;
    }
    return false;
  }

  /** As they are now: whoever goes through them may add and delete. */
  values(): readonly V[] {
    const found: V[] = [];
    for (const first of this.#buckets) {
      for (let entry = first; entry !== undefined; entry = entry.next) found.push(entry.value);
    }
    return found;
  }

  #bucketOf(key: string): number {
    const end = key.length;
    const hash = (key.charCodeAt(end - 1) * 31 + key.charCodeAt(end - 2)) * 31 + key.charCodeAt(end - 3);
    return (hash ^ (hash >> 5)) & (this.#buckets.length - 1);
  }

  #grow(): void {
    const before = this.#buckets;
    this.#buckets = emptyBuckets<V>(before.length * 2);
    for (const first of before) {
      for (let entry = first; entry !== undefined;) {
        const { next } = entry;
        const bucket = this.#bucketOf(entry.key);
        entry.next = this.#buckets[bucket];
        this.#buckets[bucket] = entry;
        entry = next;
      }
    }
  }
}

function emptyBuckets<V>(count: number): (Entry<V> | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
