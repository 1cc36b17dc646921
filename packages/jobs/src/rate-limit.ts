import type { RateManifest } from "@trellis/contracts";
import type { JobMarks, Mark } from "./job-marks.ts";

/**
 * At most so many beginnings in each stretch of time, over all replicas: the mark holds the times of the newest ones, and
 * whoever begins another adds to it by compare-and-set.
 */
export class RateLimit {
  readonly #marks: JobMarks;
  readonly #name: string;
  readonly #rate: RateManifest;
  readonly #nowMs: () => number;
  #known: Mark | undefined;
  /** One at a time in each replica: its own beginnings need not refuse each other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(marks: JobMarks, name: string, rate: RateManifest, nowMs: () => number) {
    this.#marks = marks;
    this.#name = name;
    this.#rate = rate;
    this.#nowMs = nowMs;
  }

  /** As far as this replica knows: how long nothing can begin. */
  get closedMs(): number {
    return this.#known === undefined ? 0 : this.#waitMs(this.#recent(this.#known));
  }

  /** Counts one beginning, or says how long to wait. */
  take(signal: AbortSignal): Promise<number> {
    const taken = this.#turn.then(() => this.#take(signal));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #take(signal: AbortSignal): Promise<number> {
    for (;;) {
      // What was known may have been overtaken, but never by fewer beginnings.
      const mark = (this.#known ??= await this.#marks.read("rate", this.#name, { signal }));
      const recent = this.#recent(mark);
      const waitMs = this.#waitMs(recent);
      if (waitMs > 0) return waitMs;
      const at = [...recent, Math.round(this.#nowMs())];
      const sequence = await this.#marks.set("rate", this.#name, { at }, mark.sequence, signal);
      if (sequence !== undefined) {
        this.#known = { sequence, value: { at }, at: 0 };
        return 0;
      }
      this.#known = await this.#marks.read("rate", this.#name, { atLeast: mark.sequence + 1, signal });
    }
  }

  #recent({ value }: Mark): readonly number[] {
    if (typeof value !== "object" || value === null || !("at" in value) || !Array.isArray(value.at)) return [];
    const since = this.#nowMs() - this.#rate.perMs;
    return value.at.filter((at): at is number => typeof at === "number" && at > since);
  }

  #waitMs(recent: readonly number[]): number {
    const { limit, perMs } = this.#rate;
    const oldest = recent.at(-limit);
    return oldest === undefined ? 0 : Math.max(1, oldest + perMs - this.#nowMs());
  }
}
