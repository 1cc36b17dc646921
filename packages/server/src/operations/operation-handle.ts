import type { Json } from "@trellis/contracts";
import type { JobEnded, JobRef } from "@trellis/jobs";
import type { OperationPause, OperationSnapshot } from "@trellis/protocol";
import type { Result } from "@trellis/result";
import type { Log } from "../log.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { RunningOperation, StepContext } from "./operation-handlers.ts";
import type { OperationRecord, RecordKind, StoredRecord } from "./operation-record.ts";
import type { OperationName } from "./operation-journal.ts";

/** The run a handle belongs to, as far as the handle knows it. */
export interface HandledRun {
  readonly name: OperationName;
  readonly fence: number;
  readonly facts: OperationFacts;
  readonly log: Log;
  /** Aborts when the handler is to end. */
  readonly signal: AbortSignal;
  readonly isCancelled: boolean;
  /** Why nothing is recorded here any more. */
  readonly gone: string | undefined;
  nowMs(): number;
  /** Records something; false when the operation is not ours any more. */
  append(kind: RecordKind, members: Partial<OperationRecord>, change?: Partial<OperationSnapshot>): Promise<boolean>;
  park(pauseFor: OperationPause, stillRests: () => boolean): Promise<void>;
}

interface Signal {
  readonly name: string;
  readonly input: Json;
  readonly sequence: number;
}

interface Sleeper {
  readonly until: number;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** A sleep that is over so soon is waited for; putting the operation to rest and taking it up again costs more. */
const WAITED_FOR_MS = 1_000;
/** A sleeping handler is put to rest when it has done nothing else for so long. */
const SLEEPER_RESTS_AFTER_MS = 50;
/** One that waits for a signal is: many signals come soon. */
const LISTENER_RESTS_AFTER_MS = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * `op`, as the handler has it: what was recorded is given out again in the same order, what is new is recorded.
 *
 * 1. Once the operation is at rest its promises never settle: what the handler holds is forgotten, and it begins again.
 * 2. Once it is over or another replica has it they reject, so that the handler comes to an end.
 */
export class OperationHandle implements RunningOperation {
  readonly id: string;
  readonly fence: number;
  readonly resumeFrom: unknown;
  /** Settles when the operation was put to rest. */
  readonly abandoned: Promise<undefined>;
  readonly #run: HandledRun;
  readonly #abandon: () => void;
  readonly #steps = new Map<string, Json | undefined>();
  readonly #slept = new Map<string, number>();
  readonly #attached = new Set<string>();
  readonly #used = new Set<string>();
  readonly #signals: Signal[] = [];
  readonly #handedOut = new Map<string, number>();
  readonly #sleepers = new Set<Sleeper>();
  readonly #listeners = new Set<() => void>();
  #deferral: object | undefined;
  #sleeps = 0;
  #busy = 0;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #progress: { readonly value: unknown } | undefined;
  #telling = false;
  /** The handler comes by what it has done before: what it tells there is no news. */
  #replaying: boolean;
  #resting = false;

  constructor(run: HandledRun, records: readonly StoredRecord[]) {
    this.#run = run;
    this.id = run.name.id;
    this.fence = run.fence;
    const abandoned = Promise.withResolvers<undefined>();
    this.abandoned = abandoned.promise;
    this.#abandon = () => abandoned.resolve(undefined);
    this.#replaying = records.length > 0;
    let checkpoint: unknown;
    for (const { record } of records) {
      const { kind, name = "", value, until = 0, inbox = 0 } = record;
      if (kind === "step") this.#steps.set(name, value);
      else if (kind === "slept") this.#slept.set(name, until);
      else if (kind === "attached") this.#attached.add(name);
      else if (kind === "checkpoint") checkpoint = value;
      else if (kind === "signal") this.#signals.push({ name, input: value ?? null, sequence: inbox });
    }
    this.resumeFrom = checkpoint;
  }

  progress(value: unknown): void {
    this.#progress = { value };
    if (!this.#replaying && !this.#telling) void this.#tell();
  }

  /** The progress that was not told yet; nobody else tells it then. */
  takeProgress(): { readonly progress?: Json } {
    const untold = this.#progress;
    this.#progress = undefined;
    return untold !== undefined && this.#run.facts.progress.check(untold.value)
      ? { progress: untold.value as Json }
      : {};
  }

  async step<T>(name: string, run: (context: StepContext) => T | PromiseLike<T>): Promise<T> {
    if (this.#used.has(name))
      throw new RangeError(
        `The step "${name}" occurs twice in the operation ${this.#run.name.operation}. Its result is remembered by its name: number the steps of a loop.`,
      );
    this.#used.add(name);
    // What a function answered before, it answered as JSON.
    if (this.#steps.has(name)) return this.#steps.get(name) as T;
    this.#goOn();
    return this.#whileBusy(async () => {
      const value = await run({ key: `${this.id}.${name}`, signal: this.#run.signal });
      const stored = await this.#run.append("step", { name, ...(value === undefined ? {} : { value: value as Json }) });
      return stored ? value : this.#never();
    });
  }

  checkpoint(value: unknown): Promise<void> {
    return this.#whileBusy(async () => {
      if (!(await this.#run.append("checkpoint", { value: value as Json }))) await this.#never();
    });
  }

  async sleep(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0)
      throw new RangeError(`An operation sleeps for a number of milliseconds, not ${ms}.`);
    this.#sleeps += 1;
    const name = String(this.#sleeps);
    const before = this.#slept.get(name);
    const until = before ?? Math.round(this.#run.nowMs() + ms);
    if (before === undefined) {
      this.#goOn();
      const stored = await this.#whileBusy(() => this.#run.append("slept", { name, until }));
      if (!stored) return this.#never();
    }
    const leftMs = until - this.#run.nowMs();
    if (leftMs > 0) await this.#sleepFor(leftMs, until);
  }

  async nextSignal(name: string): Promise<never> {
    const at = this.#handedOut.get(name) ?? 0;
    this.#handedOut.set(name, at + 1);
    for (;;) {
      const found = this.#signals.filter((signal) => signal.name === name)[at];
      // Checked against the contract when it was accepted.
      if (found !== undefined) return found.input as never;
      await this.#heard();
    }
  }

  async *signals(): AsyncGenerator<never> {
    for (let at = 0; ; at += 1) {
      while (this.#signals.length <= at) await this.#heard();
      yield this.#signals[at] as never;
    }
  }

  defer(): never {
    this.#deferral ??= {};
    return this.#deferral as never;
  }

  async attach<R>(job: JobRef<R>): Promise<Result<R, JobEnded | Error>> {
    const name = `${job.queue} ${job.id}`;
    if (!this.#attached.has(name)) this.#goOn();
    return this.#whileBusy(async () => {
      if (!this.#attached.has(name) && !(await this.#run.append("attached", { name }))) return this.#never();
      const cancel = (): void => {
        if (this.#run.isCancelled)
          void job.cancel(`The operation ${this.id} was cancelled.`).then(undefined, () => undefined);
      };
      this.#run.signal.addEventListener("abort", cancel, { once: true });
      try {
        cancel();
        return await job.wait();
      } finally {
        this.#run.signal.removeEventListener("abort", cancel);
      }
    });
  }

  /** Whether this is what `defer` gave out. */
  isDeferral(answer: unknown): boolean {
    return this.#deferral !== undefined && answer === this.#deferral;
  }

  /** Hands a signal to whoever waits for it. */
  take(signal: Signal): void {
    this.#signals.push(signal);
    for (const hear of [...this.#listeners]) hear();
  }

  /** Puts the operation to rest at once, if its handler does nothing but wait; says whether it will. */
  parkNow(): boolean {
    if (this.#busy > 0 || (this.#sleepers.size === 0 && this.#listeners.size === 0)) return false;
    void this.#park();
    return true;
  }

  /** No timer of this handle runs any more. */
  close(): void {
    clearTimeout(this.#rest);
    for (const { timer } of this.#sleepers) clearTimeout(timer);
    this.#sleepers.clear();
    this.#listeners.clear();
  }

  /** From here on it does what it has not done before. */
  #goOn(): void {
    if (!this.#replaying) return;
    this.#replaying = false;
    if (this.#progress !== undefined) void this.#tell();
  }

  async #tell(): Promise<void> {
    this.#telling = true;
    try {
      while (this.#progress !== undefined) {
        const { value } = this.#progress;
        this.#progress = undefined;
        const { progress } = this.#run.facts;
        if (progress.check(value)) await this.#run.append("progress", {}, { progress: value as Json });
        else
          this.#run.log.warn("A progress that the contract does not describe was not told.", {
            issues: progress.errors(value),
          });
      }
    } catch (error) {
      this.#run.log.debug("A progress was not told.", { error });
    } finally {
      this.#telling = false;
    }
  }

  #sleepFor(leftMs: number, until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#run;
      const over = (settle: () => void): void => {
        clearTimeout(sleeper.timer);
        signal.removeEventListener("abort", abort);
        this.#sleepers.delete(sleeper);
        this.#settle();
        settle();
      };
      const abort = (): void => over(() => reject(signal.reason));
      const sleeper: Sleeper = {
        until,
        timer: setTimeout(() => over(resolve), Math.min(leftMs, LONGEST_TIMER_MS)),
      };
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#sleepers.add(sleeper);
      this.#settle();
    });
  }

  /** Resolves with the next signal, whatever it is called. */
  #heard(): Promise<void> {
    this.#goOn();
    return new Promise((resolve, reject) => {
      const { signal } = this.#run;
      const over = (settle: () => void): void => {
        signal.removeEventListener("abort", abort);
        this.#listeners.delete(hear);
        this.#settle();
        settle();
      };
      const hear = (): void => over(resolve);
      const abort = (): void => over(() => reject(signal.reason));
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#listeners.add(hear);
      this.#settle();
    });
  }

  async #whileBusy<T>(body: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    clearTimeout(this.#rest);
    try {
      return await body();
    } finally {
      this.#busy -= 1;
      this.#settle();
    }
  }

  /** Something began or ended: perhaps the handler only waits now. */
  #settle(): void {
    clearTimeout(this.#rest);
    if (this.#busy > 0 || this.#run.gone !== undefined) return;
    const until = this.#wakesAt();
    if (until !== undefined) {
      if (until - this.#run.nowMs() > WAITED_FOR_MS)
        this.#rest = setTimeout(() => void this.#park(), SLEEPER_RESTS_AFTER_MS);
    } else if (this.#listeners.size > 0) this.#rest = setTimeout(() => void this.#park(), LISTENER_RESTS_AFTER_MS);
  }

  #wakesAt(): number | undefined {
    let earliest: number | undefined;
    for (const { until } of this.#sleepers) if (earliest === undefined || until < earliest) earliest = until;
    return earliest;
  }

  async #park(): Promise<void> {
    if (this.#resting) return;
    this.#resting = true;
    const until = this.#wakesAt();
    const heard = this.#signals.length;
    const stillRests = (): boolean => this.#signals.length === heard;
    try {
      await this.#run.park(until === undefined ? { for: "signal" } : { for: "time", until }, stillRests);
    } catch (error) {
      this.#run.log.warn("An operation could not be put to rest completely; it comes again.", { error });
    }
    this.#resting = false;
    if (this.#run.gone === "parked") this.#abandon();
    else this.#settle();
  }

  /** Nothing follows here: the operation is at rest, over, or somebody else's. */
  #never(): Promise<never> {
    if (this.#run.gone === "parked") return new Promise<never>(() => undefined);
    return Promise.reject(this.#run.signal.reason ?? new DOMException("The operation is over.", "AbortError"));
  }
}
