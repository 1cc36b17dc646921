/**
 * Remembers at least the last `least` values it was given, twice as many at most. They are forgotten by the half: taking the
 * oldest out of a set one by one costs more than a small handler.
 */
export class Recent<T> {
  readonly #least: number;
  #newer = new Set<T>();
  #older = new Set<T>();

  constructor(least: number) {
    this.#least = least;
  }

  has(value: T): boolean {
    return this.#newer.has(value) || this.#older.has(value);
  }

  add(value: T): void {
    this.#newer.add(value);
    if (this.#newer.size < this.#least) return;
    this.#older = this.#newer;
    this.#newer = new Set();
  }
}
