import type { HeldEvent } from "./held-event.ts";

/** Events in hand that must be handled one after the other, oldest first; those of different lanes pass each other. */
export class Lanes {
  readonly #lanes = new Map<string, HeldEvent[]>();

  /** Puts it behind everything older of its lane, and tells whether nothing is before it; what has begun stays. */
  add(held: HeldEvent): boolean {
    const lane = this.#lanes.get(held.lane);
    if (lane === undefined) {
      this.#lanes.set(held.lane, [held]);
      return true;
    }
    let at = lane.length;
    for (
      let before = lane[at - 1];
      before !== undefined && !before.begun && before.delivery.sequence > held.delivery.sequence;
      before = lane[at - 1]
    )
      at -= 1;
    lane.splice(at, 0, held);
    return at === 0;
  }

  /** Takes it out, and tells which is first now because it was. */
  remove(held: HeldEvent): HeldEvent | undefined {
    const lane = this.#lanes.get(held.lane);
    const at = lane?.indexOf(held) ?? -1;
    if (lane === undefined || at < 0) return undefined;
    if (at === 0) lane.shift();
    else lane.splice(at, 1);
    const [first] = lane;
    if (first === undefined) this.#lanes.delete(held.lane);
    return at === 0 ? first : undefined;
  }

  /** The first of each lane. */
  get heads(): readonly HeldEvent[] {
    return [...this.#lanes.values()].flatMap(([head]) => (head === undefined ? [] : [head]));
  }
}
