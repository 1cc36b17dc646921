import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { randomToken, TransportError } from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import type { TracedWork } from "@trellis/telemetry";
import { claimJob } from "./job-claim.ts";
import type { HeldClaim } from "./job-claim.ts";
import type { HandlerPlaces } from "./handler-places.ts";
import { JobContext } from "./job-context.ts";
import type { AnyJobHandler, RunningJob } from "./job-handler.ts";
import { expectedAfter } from "./job-journal.ts";
import type { JobJournal } from "./job-journal.ts";
import type { JobLog } from "./job-log.ts";
import type { JobProblem, JobRecordBody } from "./job-record.ts";
import { endsLife } from "./job-state.ts";
import type { JobEvent } from "./job-state.ts";
import { backoffAfter } from "./queue-facts.ts";
import type { QueueFacts } from "./queue-facts.ts";
import type { Entry } from "./queue-limits.ts";
import type { WorkItem } from "./work-item.ts";

/** What all runs of one worker have in common. */
export interface RunSurroundings {
  readonly link: Link;
  readonly journal: JobJournal;
  readonly facts: QueueFacts;
  readonly handler: AnyJobHandler;
  readonly worker: string;
  /** Whether no other run of this worker makes the last attempt at a job that workers died with; then this one does. */
  readonly takeLastAttempt: (run: JobRun) => boolean;
  readonly places: HandlerPlaces;
  /** Aborts what runs themselves wait for, when their worker is at its end. */
  readonly quit: AbortSignal;
  readonly nowMs: () => number;
  readonly log: JobLog;
  readonly client: unknown;
  readonly deps: unknown;
  /** Asked before every run; absent where the contract limits nothing. */
  readonly enter?: (item: JobRecordBody, deliveries: number, signal: AbortSignal) => Promise<Entry>;
  readonly runInside: (<T>(context: TracedWork["context"], body: () => T) => T) | undefined;
}

/** Why a handler's signal aborted. */
type StopReason = "cancelled" | "expired" | "lost" | "stopping";

const LONGEST_TEXT = 4_000;
/** A worker that has lost a job and whose handler does not end meets this item again and again; another may take it meanwhile. */
const NEXT_LIFE_MS = 500;

/** `job.fail()` on its way out of the handler. */
class JobGivenUp extends Error {
  override readonly name = "JobGivenUp";
}

/**
 * One job in the hands of one worker.
 *
 * 1. Everything that is recorded after the claim expects that claim to be the newest one.
 * 2. The item is acknowledged after an end is stored, ours or another's; given back with a delay after a stored `retry`;
 *    otherwise nothing is said and it comes again.
 * 3. While the handler runs the item is kept from others, as long as the claim is still the newest.
 */
export class JobRun {
  readonly id: string;
  readonly #s: RunSurroundings;
  readonly #job: JobRecordBody;
  readonly #item: WorkItem;
  #context: JobContext | undefined;
  #held: HeldClaim | undefined;
  #claimedAt = 0;
  /** Its last record under this claim is on its way: nothing else may end it. */
  #ending = false;
  #ended = false;
  #stop: StopReason | undefined;
  #givenUp: string | undefined;
  #leave: (() => void) | undefined;

  /** `job` is the body of the record its life began with; `held` says that it is claimed already. */
  constructor(surroundings: RunSurroundings, job: JobRecordBody, item: WorkItem, held: HeldClaim | undefined) {
    this.id = job.id;
    this.#s = surroundings;
    this.#job = job;
    this.#item = item;
    this.#held = held;
  }

  /** Another item of this job was handed to this worker while it is at it. */
  comesAlsoAs(item: WorkItem, job: JobRecordBody): void {
    // Of a life before this one.
    if (item.life < this.#item.life) item.done();
    // Of this one too; or of the next: our end is stored, and its acknowledgement still on the way to us.
    else item.later(job, NEXT_LIFE_MS);
  }

  /** Somebody says the job has ended; what the journal says counts. */
  async endedElsewhere(): Promise<void> {
    if (this.#held === undefined || this.#ended) return;
    await this.#checkClaim(this.#held);
  }

  /** The worker wants to stop: the handler is asked to end, and the job goes to another. */
  stop(): void {
    this.#halt("stopping");
  }

  /** Keeps the item from others, once the handler takes its time. */
  beat(): void {
    const { facts } = this.#s;
    if (this.#held === undefined || this.#ended || performance.now() - this.#claimedAt < facts.ackWaitMs / 6) return;
    this.#item.alive();
    void this.#checkClaim(this.#held);
  }

  /** `deliveries` says how often the item has been handed out; `onHandled` hears when only the end is still to be stored. */
  async go(deliveries: number, onHandled: () => void): Promise<void> {
    const held = this.#held ?? (await this.#claim(deliveries));
    if (held === undefined) return;
    this.#held = held;
    this.#claimedAt = performance.now();
    const refusal = this.#refusal(held);
    if (refusal !== undefined) return this.#end(held, refusal.event, refusal.body);
    const deadline = this.#watchDeadline(held);
    try {
      await this.#work(held, onHandled);
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Nothing when it does not run here now; what is to be said about its item has been said. */
  async #claim(deliveries: number): Promise<HeldClaim | undefined> {
    const { journal, facts, nowMs, worker, enter, takeLastAttempt, quit } = this.#s;
    const earlyMs = (this.#job.notBefore ?? 0) - nowMs();
    if (earlyMs > 0) return this.#later(earlyMs);
    const entry = await enter?.(this.#job, deliveries, quit);
    if (entry?.kind === "later") return this.#later(entry.delayMs);
    const claimed = await claimJob({
      journal,
      facts,
      worker,
      nowMs,
      job: this.#job,
      item: this.#item,
      claim: randomToken(12),
      signal: quit,
      takeLastAttempt: () => takeLastAttempt(this),
    });
    if (claimed.kind === "ours") {
      this.#leave = entry?.leave;
      return claimed.held;
    }
    entry?.undo();
    if (claimed.kind === "later") return this.#later(claimed.delayMs);
    if (claimed.kind === "ended") this.#item.done();
    return undefined;
  }

  #later(delayMs: number): undefined {
    this.#item.later(this.#job, delayMs);
  }

  /** What ends this job before any handler sees it. */
  #refusal({ attempt }: HeldClaim): { readonly event: JobEvent; readonly body: Partial<JobRecordBody> } | undefined {
    const { facts, nowMs } = this.#s;
    const { deadlineAt, payload } = this.#job;
    if (deadlineAt !== undefined && nowMs() >= deadlineAt)
      return { event: "expired", body: { by: "worker", reason: "Its deadline had passed before it could begin." } };
    if (!facts.payload.check(payload)) {
      const [first] = facts.payload.errors(payload);
      const where = first === undefined || first.path === "" ? "the payload" : first.path;
      const message = `The payload does not match the contract this service runs: ${where}: ${first?.message ?? "it does not match"}.`;
      return { event: "failed", body: { error: { type: "ValidationError", message } } };
    }
    if (attempt > facts.maxDeliver) {
      const message = `It was begun ${facts.maxDeliver} times, and each time the worker ended before the job did.`;
      return { event: this.#lastWord(), body: { error: { type: "WorkerLost", message } } };
    }
    return undefined;
  }

  async #work(held: HeldClaim, onHandled: () => void): Promise<void> {
    const { facts, places } = this.#s;
    const { attempt } = held;
    const placed = this.#stop === undefined && places.take(this);
    if (placed !== true && !(await placed)) {
      if (this.#ended || (this.#stop !== undefined && this.#stop !== "stopping")) return;
      return this.#retryAfter(held, 0, { givenBack: true });
    }
    const begunAt = performance.now();
    const traced = startServerSpan(
      { name: facts.queue, surface: "job", contractId: facts.contractId },
      {
        get: (name) =>
          name === "traceparent"
            ? this.#job.context.traceparent
            : name === "tracestate"
              ? this.#job.context.tracestate
              : undefined,
      },
    );
    const outcome = await this.#runHandler(held, traced);
    traced.end(outcome.error);
    places.give(performance.now() - begunAt);
    onHandled();
    if (this.#ended || this.#stop === "lost" || this.#stop === "cancelled" || this.#stop === "expired") return;
    if (this.#givenUp !== undefined)
      return this.#end(held, "failed", { error: { type: "JobFailed", message: clip(this.#givenUp) } });
    if (!("error" in outcome)) return this.#complete(held, outcome.value);
    const error = describe(outcome.error);
    if (this.#stop === "stopping") return this.#retryAfter(held, 0, { error, givenBack: true });
    this.#s.log.warn("A job failed.", {
      job: this.id,
      queue: facts.queue,
      attempt,
      error: outcome.error,
    });
    if (attempt >= facts.maxDeliver) return this.#end(held, this.#lastWord(), { error });
    return this.#retryAfter(held, backoffAfter(facts, attempt), { error });
  }

  async #runHandler(
    held: HeldClaim,
    traced: TracedWork,
  ): Promise<
    { readonly value: unknown; readonly error?: never } | { readonly value?: never; readonly error: unknown }
  > {
    const { handler, runInside, log, facts } = this.#s;
    const context = new JobContext(this.#job.payload, this.#runningJob(held), this.#s, () =>
      log.child({ job: this.id, queue: facts.queue, attempt: held.attempt, trace: traced.traceId }),
    );
    this.#context = context;
    try {
      const body = (): unknown => handler(context);
      const answer: unknown = await traced.run(runInside === undefined ? body : () => runInside(traced.context, body));
      if (typeof answer === "object" && answer !== null && "ok" in answer) {
        if (answer.ok === true) return { value: "value" in answer ? answer.value : undefined };
        return {
          error: "error" in answer ? answer.error : new Error("The handler answered an error without saying which."),
        };
      }
      return { value: undefined };
    } catch (error) {
      return { error };
    }
  }

  #runningJob(held: HeldClaim): RunningJob {
    const { facts } = this.#s;
    return {
      id: this.id,
      attempt: held.attempt,
      fence: held.fence,
      progress: (value: unknown) => {
        // Values a contract may carry are JSON; what is not becomes what JSON makes of it.
        if (facts.progress) this.#note(held, "progress", { progress: value as Json });
      },
      log: (message: string) => {
        if (facts.logs) this.#note(held, "logged", { message: clip(message) });
      },
      fail: (reason: string): never => {
        this.#givenUp ??= reason;
        throw new JobGivenUp(reason);
      },
    };
  }

  async #complete(held: HeldClaim, value: unknown): Promise<void> {
    const { result } = this.#s.facts;
    if (result !== undefined && !result.check(value)) {
      const [first] = result.errors(value);
      const message = `The handler answered what the contract does not allow: ${first === undefined || first.path === "" ? "the result" : first.path}: ${first?.message ?? "it does not match"}.`;
      return this.#end(held, "failed", { error: { type: "ValidationError", message } });
    }
    try {
      // Checked against the schema just above, so it is JSON.
      await this.#end(held, "completed", result === undefined ? {} : { result: value as Json });
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== "payload_too_large") throw error;
      await this.#end(held, "failed", {
        error: {
          type: "ResultTooLarge",
          message: "The result is larger than one message may be; put it into an object store.",
        },
      });
    }
  }

  /** Writes the end of this job, then lets go of the item; a claim that is no longer the newest writes nothing. */
  async #end(held: HeldClaim, event: JobEvent, members: Partial<JobRecordBody>): Promise<void> {
    const { journal } = this.#s;
    const { expected, claim, pack } = held;
    this.#ending = true;
    if (event === "completed" && (await pack?.complete(this.id, members.result)) === true) {
      this.#ended = true;
      return this.#item.done();
    }
    const written = await journal.append(event, this.#body(held, members), {
      expect: { event: "started", sequence: expected },
      follows: { sequence: expected, claim },
      signal: this.#s.quit,
    });
    this.#ended = true;
    const ours =
      written.kind === "stored" || (await journal.last(this.id, event, 0, this.#s.quit))?.body.claim === claim;
    if (ours) {
      this.#leave?.();
      return this.#item.done();
    }
    await this.#doneIfEnded(held);
  }

  async #retryAfter(held: HeldClaim, delayMs: number, members: Partial<JobRecordBody>): Promise<void> {
    const { journal, nowMs } = this.#s;
    this.#ending = true;
    const body = this.#body(held, { ...members, notBefore: Math.round(nowMs() + delayMs) });
    const written = await journal.append("retry", body, {
      // Its own subject's last record changes with every retry; the claim is what counts.
      expect: { event: "started", sequence: held.expected },
      signal: this.#s.quit,
    });
    this.#ended = true;
    if (written.kind === "stored") {
      this.#leave?.();
      return this.#later(delayMs);
    }
    await this.#doneIfEnded(held);
  }

  /** Our claim is over: if the job has ended, so has its item; otherwise it belongs to whoever claimed it. */
  async #doneIfEnded({ fence }: HeldClaim): Promise<void> {
    for (let tries = 0; tries < 10; tries += 1) {
      const last = await this.#s.journal.last(this.id, "*", fence, this.#s.quit);
      if (last !== undefined && endsLife(last.event)) return this.#item.done();
      // Whoever cancels claims first and writes the end a moment later.
      if (last?.body.for === undefined) return;
      await pause(50 * (tries + 1), this.#s.quit);
    }
  }

  async #checkClaim(held: HeldClaim): Promise<void> {
    const newest = await this.#s.journal.last(this.id, "started", 0, this.#s.quit).catch(() => undefined);
    if (newest === undefined || expectedAfter(newest) <= held.expected || this.#ended) return;
    this.#ended = true;
    this.#halt(newest.body.for === "cancel" ? "cancelled" : newest.body.for === "expire" ? "expired" : "lost");
    await this.#doneIfEnded(held).catch(() => undefined);
  }

  #watchDeadline(held: HeldClaim): ReturnType<typeof setTimeout> | undefined {
    const { deadlineAt } = this.#job;
    if (deadlineAt === undefined) return undefined;
    const leftMs = Math.min(Math.max(0, deadlineAt - this.#s.nowMs()), LONGEST_TIMER_MS);
    return setTimeout(() => {
      if (this.#ending || this.#ended || this.#stop !== undefined) return;
      this.#halt("expired");
      void this.#end(held, "expired", { by: "worker", reason: "Its deadline passed while it was running." }).catch(
        (error: unknown) =>
          this.#s.log.warn(
            "The end of a job at its deadline could not be recorded; it is tried again with its next delivery.",
            { job: this.id, error },
          ),
      );
    }, leftMs);
  }

  #halt(reason: StopReason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    this.#s.places.withdraw(this);
    this.#context?.abort(halted(reason));
  }

  #note(held: HeldClaim, event: "progress" | "logged", members: Partial<JobRecordBody>): void {
    if (this.#ended) return;
    try {
      this.#s.journal.note(event, this.#body(held, members), held.expected);
    } catch (error) {
      this.#s.log.debug("A note of a job was not recorded.", { job: this.id, error });
    }
  }

  #body({ claim, attempt }: HeldClaim, members: Partial<JobRecordBody>): JobRecordBody {
    return { id: this.id, context: this.#job.context, claim, attempt, ...members };
  }

  #lastWord(): JobEvent {
    return this.#s.facts.dlq ? "dead" : "failed";
  }
}

function halted(reason: StopReason): DOMException {
  return new DOMException(WHY[reason], "AbortError");
}

/** `setTimeout` counts in 32 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const WHY: { readonly [R in StopReason]: string } = {
  cancelled: "The job was cancelled.",
  expired: "The deadline of the job has passed.",
  lost: "Another worker has taken this job.",
  stopping: "The service is stopping; the job goes to another worker.",
};

function clip(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

/** No stack: records are read by people who are not on this machine. */
function describe(error: unknown): JobProblem {
  if (error instanceof Error) return { type: error.name, message: clip(error.message) };
  if (typeof error === "object" && error !== null && "message" in error)
    return { type: "Error", message: clip(String(error.message)) };
  return { type: "Error", message: clip(typeof error === "string" ? error : (JSON.stringify(error) ?? String(error))) };
}
