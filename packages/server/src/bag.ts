/** What can be in a bag; it knows its place there. */
export interface InBag {
  place: number;
}

/** Things that come and go, in no order. Unlike a `Set` it keeps nothing of what has gone alive (see `TokenMap`). */
export class Bag<T extends InBag> {
  readonly #things: T[] = [];

  get size(): number {
    return this.#things.length;
  }

  /** As they are now: whoever goes through them may add and delete. */
  all(): readonly T[] {
    return [...this.#things];
  }

  add(thing: T): void {
    thing.place = this.#things.length;
    this.#things.push(thing);
  }

  /** Also one that is not there. */
  delete(thing: T): void {
    if (this.#things[thing.place] !== thing) return;
    const last = this.#things.pop();
    if (last === undefined || last === thing) return;
    this.#things[thing.place] = last;
    last.place = thing.place;
  }
}
