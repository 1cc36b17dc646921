import type { HandedOut } from "./work-item.ts";

/** What was handed out to a worker and is at work there, by its place in the work queue. */
export class ItemsAtWork {
  readonly #items = new Map<number, { readonly item: HandedOut; parts: number }>();

  /** Whether it is at work already: then what is said about it goes to where it was handed out last. */
  again(sequence: number, reply: string): boolean {
    const known = this.#items.get(sequence);
    known?.item.again(reply);
    return known !== undefined;
  }

  /** Something is to be done about it. */
  begin(sequence: number, item: HandedOut): void {
    this.#items.set(sequence, { item, parts: 1 });
  }

  /** So much more is to be done about it. */
  more(sequence: number, parts: number): void {
    const known = this.#items.get(sequence);
    if (known !== undefined) known.parts += parts;
  }

  /** One of the things to be done about it is over. */
  letGo(sequence: number): void {
    const known = this.#items.get(sequence);
    if (known !== undefined && (known.parts -= 1) === 0) this.#items.delete(sequence);
  }
}
