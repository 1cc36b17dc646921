import { GroupSeats } from "./group-seats.ts";
import type { Slot } from "./group-seats.ts";
import type { JobJournal } from "./job-journal.ts";
import { hashOfKey } from "./job-id.ts";
import type { JobMarks } from "./job-marks.ts";
import type { QueueFacts } from "./queue-facts.ts";
import { RateLimit } from "./rate-limit.ts";

/** Whether a job may begin now. */
export type Entry =
  /** `leave` once its end, or that it is tried again, is stored; `undo` when it does not run here after all. */
  | { readonly kind: "in"; readonly leave: () => void; readonly undo: () => void }
  | { readonly kind: "later"; readonly delayMs: number };

export interface LimitParts {
  readonly marks: JobMarks;
  readonly journal: JobJournal;
  readonly facts: QueueFacts;
  readonly nowMs: () => number;
}

/** A job waits this long here for its turn before it is given back. */
const HOLD_MS = 2_000;
const SHORTEST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
const REMEMBERED_GROUPS = 1_024;

const nothing = (): void => undefined;
const FREE_ENTRY: Entry = { kind: "in", leave: nothing, undo: nothing };

/** What a contract's `rate` and `perGroup` mean for one queue; they hold over all replicas. */
export class QueueLimits {
  readonly #parts: LimitParts;
  readonly #rate: RateLimit | undefined;
  readonly #seats: GroupSeats | undefined;
  readonly #groupRates = new Map<string, RateLimit>();

  constructor(parts: LimitParts) {
    this.#parts = parts;
    const { marks, journal, facts, nowMs } = parts;
    if (facts.rate !== undefined) this.#rate = new RateLimit(marks, "queue", facts.rate, nowMs);
    const atOnce = facts.perGroup?.concurrency;
    if (atOnce !== undefined)
      this.#seats = new GroupSeats({ marks, journal, ackWaitMs: facts.ackWaitMs, nowMs }, atOnce);
  }

  /** How long nothing of the queue can begin, as far as is known here: until then no work need be asked for. */
  get closedMs(): number {
    return this.#rate?.closedMs ?? 0;
  }

  /** `deliveries` says how often this job has been tried: one that waits for long is tried less often. */
  async enter(
    { id, group }: { readonly id: string; readonly group?: string },
    deliveries: number,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<Entry> {
    const { facts } = this.#parts;
    if (this.#rate === undefined && group === undefined) return FREE_ENTRY;
    let leave = nothing;
    let undo = nothing;
    if (group !== undefined && this.#seats !== undefined) {
      const seats = this.#seats;
      const seat = await seats.take(group, id, slot, Math.min(HOLD_MS, facts.ackWaitMs / 3), signal);
      if (seat === undefined) return { kind: "later", delayMs: backOff(deliveries) };
      leave = () => void seats.free(group, seat);
      if (!seat.found) undo = leave;
    }
    for (const rate of [this.#groupRate(group), this.#rate]) {
      const waitMs = (await rate?.take(signal)) ?? 0;
      if (waitMs === 0) continue;
      undo();
      return { kind: "later", delayMs: waitMs + backOff(deliveries) * Math.random() };
    }
    return { kind: "in", leave, undo };
  }

  #groupRate(group: string | undefined): RateLimit | undefined {
    const { marks, facts, nowMs } = this.#parts;
    const rate = facts.perGroup?.rate;
    if (group === undefined || rate === undefined) return undefined;
    const known = this.#groupRates.get(group) ?? new RateLimit(marks, `group-${hashOfKey(group)}`, rate, nowMs);
    this.#groupRates.delete(group);
    this.#groupRates.set(group, known);
    if (this.#groupRates.size > REMEMBERED_GROUPS) {
      for (const oldest of this.#groupRates.keys()) {
        this.#groupRates.delete(oldest);
        break;
      }
    }
    return known;
  }
}

function backOff(deliveries: number): number {
  const delayMs = Math.min(LONGEST_DELAY_MS, SHORTEST_DELAY_MS * 2 ** Math.min(deliveries - 1, 10));
  return delayMs * (0.5 + Math.random() / 2);
}
