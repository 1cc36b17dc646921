import { pause } from "@trellis/client/internal";
import type { JobJournal } from "./job-journal.ts";
import { hashOfKey } from "./job-id.ts";
import type { JobMarks, Mark } from "./job-marks.ts";
import { endsLife } from "./job-state.ts";

/** A place among the jobs of a group that may run at once. */
export interface Seat {
  readonly name: string;
  readonly sequence: number;
  /** It was this job's already: another worker may be at it, so only the one that ends the job gives it back. */
  readonly found: boolean;
}

/** The worker's own limit: a job that waits for a seat takes no place from jobs that could run. */
export interface Slot {
  release(): void;
  /** Whether there was a place for it within that time. */
  acquire(withinMs: number): Promise<boolean>;
}

/** Jobs that wait here for a seat; more are given back, for others to try. */
const WAITING = 64;
const POLL_MS = 250;
const REMEMBERED = 4_096;

/**
 * Lets so many jobs of a group run at once, over all replicas.
 *
 * 1. Each seat is a mark that names the job on it; it is taken by compare-and-set.
 * 2. A seat whose job has ended, or waits to be tried again, is free: a worker that dies needs nobody to clean up.
 * 3. A job that runs again after its worker died finds its own seat.
 */
export class GroupSeats {
  readonly #parts: SeatParts;
  readonly #count: number;
  /** What we wrote last, by name: tried first, without reading. */
  readonly #known = new Map<string, Mark>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #freed = new Map<string, () => void>();
  #waiting = 0;

  constructor(parts: SeatParts, count: number) {
    this.#parts = parts;
    this.#count = count;
  }

  /** A seat for the job, or nothing when none came free in that time. Jobs of one group are served in their order. */
  async take(group: string, job: string, slot: Slot, withinMs: number, signal: AbortSignal): Promise<Seat | undefined> {
    if (this.#waiting >= WAITING) return undefined;
    const endsAt = performance.now() + withinMs;
    const before = this.#turns.get(group);
    const taken = (async () => {
      if (before !== undefined) {
        slot.release();
        await before.catch(() => undefined);
        if (!(await slot.acquire(endsAt - performance.now()))) return undefined;
      }
      return this.#takeInTurn(group, job, slot, endsAt, signal);
    })();
    this.#turns.set(group, taken);
    this.#waiting += 1;
    try {
      return await taken;
    } finally {
      this.#waiting -= 1;
      if (this.#turns.get(group) === taken) this.#turns.delete(group);
    }
  }

  async free(group: string, { name, sequence }: Seat): Promise<void> {
    const freed = await this.#parts.marks.set("seat", name, {}, sequence).catch(() => undefined);
    if (freed !== undefined) this.#remember(name, { sequence: freed, value: {}, at: 0 });
    this.#freed.get(group)?.();
  }

  async #takeInTurn(
    group: string,
    job: string,
    slot: Slot,
    endsAt: number,
    signal: AbortSignal,
  ): Promise<Seat | undefined> {
    for (;;) {
      const freed = Promise.withResolvers<void>();
      this.#freed.set(group, freed.resolve);
      const seat = await this.#try(group, job, signal);
      const leftMs = Math.min(POLL_MS * (0.75 + Math.random() / 2), endsAt - performance.now());
      if (seat !== undefined || leftMs <= 0 || signal.aborted) {
        this.#freed.delete(group);
        return seat;
      }
      slot.release();
      await Promise.race([freed.promise, pause(leftMs, signal)]);
      if (!(await slot.acquire(endsAt - performance.now()))) return undefined;
    }
  }

  async #try(group: string, job: string, signal: AbortSignal): Promise<Seat | undefined> {
    const { marks } = this.#parts;
    const names = Array.from({ length: this.#count }, (_, at) => `${hashOfKey(group)}-${at}`);
    const seen = await Promise.all(
      names.map(async (name) => ({
        name,
        mark: this.#known.get(name) ?? (await marks.read("seat", name, { signal })),
      })),
    );
    const own = seen.find(({ mark }) => holderOf(mark) === job);
    if (own !== undefined) return { name: own.name, sequence: own.mark.sequence, found: true };
    for (const { name, mark } of seen) {
      this.#known.delete(name);
      if (!(await this.#isFree(mark))) continue;
      const sequence = await marks.set("seat", name, { job }, mark.sequence, signal);
      if (sequence !== undefined) return { name, sequence, found: false };
      const now = await marks.read("seat", name, { atLeast: mark.sequence + 1, signal });
      if (holderOf(now) === job) return { name, sequence: now.sequence, found: true };
    }
    return undefined;
  }

  async #isFree(mark: Mark): Promise<boolean> {
    const holder = holderOf(mark);
    if (holder === undefined) return true;
    const { journal, ackWaitMs, nowMs } = this.#parts;
    const last = await journal.last(holder);
    if (last !== undefined && endsLife(last.event)) return true;
    if (last?.event === "retry" && last.at >= mark.at) return true;
    const begun = last?.event === "started" || last?.event === "progress" || last?.event === "logged";
    // Taken, and the job was not begun: its worker is just about to, or has died.
    return !begun && nowMs() - mark.at > ackWaitMs;
  }

  #remember(name: string, mark: Mark): void {
    this.#known.set(name, mark);
    if (this.#known.size <= REMEMBERED) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }
}

interface SeatParts {
  readonly marks: JobMarks;
  readonly journal: JobJournal;
  readonly ackWaitMs: number;
  readonly nowMs: () => number;
}

function holderOf({ value }: Mark): string | undefined {
  return typeof value === "object" && value !== null && "job" in value && typeof value.job === "string"
    ? value.job
    : undefined;
}
