import type { Link } from "../link.ts";

/** More at once would only make each other late: a service checks a signature for each, and answers one after the other. */
const AT_ONCE = 64;

interface Lane {
  opening: number;
  readonly waiting: Set<() => void>;
}

/**
 * Whose turn it is to open a stream. A client may want thousands in one instant; those of one subject open so many at a
 * time, in the order they were asked for. Subjects do not wait for each other: one service that hangs holds up no other.
 */
export class OpeningTurns {
  readonly #lanes = new Map<string, Lane>();

  /** Calls `begin` when it is its turn, perhaps at once. What it answers gives the turn back, or the place in the queue. */
  take(subject: string, begin: () => void): () => void {
    const lane = this.#lanes.get(subject) ?? { opening: 0, waiting: new Set() };
    this.#lanes.set(subject, lane);
    // Its own function: the same `begin` may wait twice.
    const start = (): void => begin();
    let given = false;
    if (lane.opening < AT_ONCE) {
      lane.opening += 1;
      start();
    } else lane.waiting.add(start);
    return () => {
      if (given) return;
      given = true;
      if (!lane.waiting.delete(start)) this.#next(subject, lane);
    };
  }

  #next(subject: string, lane: Lane): void {
    const [next] = lane.waiting;
    if (next !== undefined) {
      lane.waiting.delete(next);
      return next();
    }
    lane.opening -= 1;
    if (lane.opening === 0) this.#lanes.delete(subject);
  }
}

/** Everything that opens streams over a link takes turns. */
export function openingTurnsOf(link: Link): OpeningTurns {
  let turns = all.get(link);
  if (turns === undefined) all.set(link, (turns = new OpeningTurns()));
  return turns;
}

const all = new WeakMap<Link, OpeningTurns>();
