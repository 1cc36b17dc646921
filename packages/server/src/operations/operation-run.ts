import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { errorBody, isForCaller, OperationError, TransportError, UnexpectedError } from "@trellis/protocol";
import type { ErrorBody, OperationSnapshot } from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import type { TracedWork } from "@trellis/telemetry";
import type { CallSurroundings } from "../call.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import type { Log } from "../log.ts";
import type { StoredObject } from "../store/store-types.ts";
import type { Uploads } from "../transfers/uploads.ts";
import type { OperationChanges } from "./operation-changes.ts";
import type { Claimed } from "./operation-claim.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { OperationOrigin, OperationRecord, RecordKind } from "./operation-record.ts";
import { OperationHandle } from "./operation-handle.ts";
import type { OperationItems } from "./operation-items.ts";
import { RunJournal } from "./run-journal.ts";
import type { Gone } from "./run-journal.ts";
import { noFile, recordedUpload, uploadRecord } from "./operation-upload.ts";

/** What all runs of one replica have in common. */
export interface RunSurroundings extends CallSurroundings {
  readonly link: Link;
  readonly journal: OperationJournal;
  readonly changes: OperationChanges;
  readonly contractId: string;
  readonly nowMs: () => number;
  readonly uploads: Uploads;
}

/** Why a handler's signal aborted. */
export type StopReason = "cancelled" | "expired" | "lost" | "stopping";

const LONGEST_TEXT = 4_000;
/** `setTimeout` counts in 32 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** How long a handler may go on after it was told that its operation is cancelled. */
const CANCEL_GRACE_MS = 10_000;

/**
 * One operation in the hands of one replica.
 *
 * 1. Every record expects the one this run wrote before it, its claim first. A refusal means that somebody else has the
 *    operation: the handler's signal aborts and nothing more is said, not even an acknowledgement.
 * 2. The items that had come by then are acknowledged after an end or a rest is stored, and given back only after a
 *    stored failure.
 * 3. While the handler runs the items are kept from others, as long as the last record was lately seen to be ours.
 * 4. Signals and cancels are copied from the inbox into the journal before the handler hears of them.
 */
export class OperationRun {
  readonly name: OperationName;
  readonly facts: OperationFacts;
  readonly origin: OperationOrigin;
  readonly claim: string;
  readonly fence: number;
  readonly handle: OperationHandle;
  readonly #s: RunSurroundings;
  readonly #items: OperationItems;
  readonly #journal: RunJournal;
  readonly #abort = new AbortController();
  /** Aborts what this run itself waits for, when its replica is at its end. */
  readonly #quit = new AbortController();
  #inboxAt = 0;
  /** A wish to cancel from before its last beginning does not count any more. */
  #cancelsAfter = 0;
  /** The file it was started with, once that is stored. */
  #upload: StoredObject | undefined;
  #stop: StopReason | undefined;
  #fetching: Promise<void> | undefined;
  #log: Log | undefined;

  constructor(
    surroundings: RunSurroundings,
    facts: OperationFacts,
    name: OperationName,
    claim: string,
    claimed: Extract<Claimed, { readonly kind: "ours" }>,
    items: OperationItems,
  ) {
    this.#s = surroundings;
    this.facts = facts;
    this.name = name;
    this.claim = claim;
    this.origin = claimed.origin;
    this.fence = claimed.fence;
    this.#items = items;
    const { journal, changes, nowMs } = surroundings;
    this.#journal = new RunJournal(
      {
        journal,
        changes,
        name,
        claim,
        nowMs,
        quit: this.#quit.signal,
        log: () => this.log,
        onLost: () => this.halt("lost"),
      },
      claimed,
    );
    for (const { record } of claimed.records) {
      const { kind, inbox = 0 } = record;
      if (kind === "retried") this.#cancelsAfter = inbox;
      else this.#inboxAt = Math.max(this.#inboxAt, inbox);
    }
    this.handle = new OperationHandle(this, claimed.records);
    this.#upload = recordedUpload(claimed.records);
  }

  get snapshot(): OperationSnapshot {
    return this.#journal.snapshot;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isCancelled(): boolean {
    return this.#stop === "cancelled";
  }

  get gone(): Gone | undefined {
    return this.#journal.gone;
  }

  get log(): Log {
    this.#log ??= this.#s.log.child({
      operation: this.name.operation,
      id: this.name.id,
      attempt: this.snapshot.attempt,
    });
    return this.#log;
  }

  nowMs(): number {
    return this.#s.nowMs();
  }

  /** Runs the handler to an end, a rest, or until somebody else has the operation. */
  async go(): Promise<void> {
    const begins = this.#journal.isNew;
    // One that begins need not wait for what usually is not there, and if only operators could send something the first beat
    // is soon enough. Whoever ran it before us may have been told to cancel.
    const fetched =
      begins && !this.facts.cancellable && this.facts.signals.size === 0 ? Promise.resolve() : this.fetchInbox();
    if (!begins) await fetched;
    if (await this.#endedBeforeItBegan()) return;
    const deadline = this.#watchDeadline();
    try {
      if (!(await this.#hasFile())) return;
      await this.#work();
    } finally {
      clearTimeout(deadline);
      this.handle.close();
    }
  }

  /** Something may have come for this operation. */
  fetchInbox(): Promise<void> {
    this.#fetching ??= this.#fetch()
      .catch((error: unknown) =>
        this.log.debug("The inbox of an operation could not be read; it is read again.", { error }),
      )
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  /** Keeps the items from others, if the operation is still ours. */
  async beat(freshMs: number): Promise<void> {
    if (!(await this.#journal.isOurs(freshMs))) return;
    this.#items.keep();
    await this.fetchInbox();
  }

  /** The replica wants to stop: what waits is put to rest, a handler at work is asked to end. */
  stop(): void {
    if (!this.handle.parkNow()) this.halt("stopping");
  }

  /** The handler did not heed its signal: the operation goes to another replica all the same. */
  async giveBack(): Promise<void> {
    if (this.gone === undefined) await this.#failAttempt("The replica that ran it was stopped.", 0, true);
  }

  /** Leaves everything as it is. */
  quit(): void {
    this.halt("stopping");
    this.#quit.abort();
  }

  halt(reason: StopReason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    this.#abort.abort(new DOMException(WHY[reason], "AbortError"));
  }

  /**
   * Stores the next record of this run; `false` when there is no next one. Throws what the record itself is to blame for,
   * such as its size.
   */
  append(
    kind: RecordKind,
    members: Partial<OperationRecord>,
    change: Partial<OperationSnapshot> = {},
    replaceForMs?: number,
  ): Promise<boolean> {
    return this.#journal.inTurn(() => this.#journal.write(kind, members, change, replaceForMs));
  }

  /**
   * Puts the operation to rest until somebody wakes it; what the handler holds in memory is dropped. Nothing happens when
   * it was told something in the meantime.
   */
  async park(
    pauseFor: NonNullable<OperationSnapshot["pause"]>,
    stillRests: () => boolean = () => true,
    missed: () => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<void> {
    const { journal } = this.#s;
    const { until } = pauseFor;
    const { deadlineAt } = this.snapshot;
    const came = this.#items.count;
    const stored = await this.#journal.inTurn(async () => {
      // A signal or a cancel that was recorded just before has reached the handler, and nobody else will be told.
      if (this.#stop === "cancelled" || !stillRests()) return false;
      return this.#journal.write("parked", until === undefined ? {} : { until }, { pause: pauseFor });
    });
    if (!stored) return;
    this.#journal.close("parked");
    const wakeAt = Math.min(until ?? Number.POSITIVE_INFINITY, deadlineAt ?? Number.POSITIVE_INFINITY);
    if (Number.isFinite(wakeAt)) await journal.wakeAt(this.name, wakeAt, this.#quit.signal);
    // What came before the record was stored found us running, and expected us to see it.
    const unread = await journal.inbox(this.name, this.#inboxAt, this.#quit.signal);
    if (unread.length > 0 || (await missed())) this.#items.giveBack(0);
    else this.#items.acknowledge(came);
  }

  /** One that takes a file begins when the file is stored, and rests until then. */
  async #hasFile(): Promise<boolean> {
    const { store } = this.facts;
    const { transfer } = this.origin;
    if (store === undefined || transfer === undefined || this.#upload !== undefined) return true;
    const { uploads } = this.#s;
    const state = await uploads.state(store, transfer.transferId);
    if (state.kind === "stored") {
      this.#upload = state.object;
      return this.append("transferred", { name: state.object.name, value: uploadRecord(state.object) });
    }
    if (state.kind === "gone") await this.#fail(noFile(transfer, this.nowMs()));
    else {
      const { until } = state;
      const isThere = async (): Promise<boolean> =>
        (await uploads.state(store, transfer.transferId)).kind !== "waiting";
      await this.park({ for: "upload", until }, undefined, isThere);
      // It was cancelled meanwhile.
      if (this.gone === undefined) await this.#failed(undefined);
    }
    return false;
  }

  async #endedBeforeItBegan(): Promise<boolean> {
    const { attempt, deadlineAt, id } = this.snapshot;
    if (deadlineAt !== undefined && this.nowMs() >= deadlineAt) {
      await this.#fail(new OperationError("deadline_exceeded", id));
      return true;
    }
    if (attempt > this.facts.maxAttempts) {
      await this.#fail(new OperationError("attempts_exhausted", id));
      return true;
    }
    if (this.snapshot.cancelRequested === true) {
      // Its handler was told, and the process that ran it is gone.
      await this.#end("cancelled", { state: "cancelled" });
      return true;
    }
    return false;
  }

  async #work(): Promise<void> {
    const traced = startServerSpan(
      { name: this.name.operation, surface: "operation", contractId: this.#s.contractId },
      {
        get: (header) =>
          header === "traceparent"
            ? this.origin.traceparent
            : header === "tracestate"
              ? this.origin.tracestate
              : undefined,
      },
    );
    const settled = this.#runHandler(traced);
    // A handler that was put to rest never settles, and one that is cancelled has its time.
    const outcome = await Promise.race([settled, this.handle.abandoned, this.#cancelledForLong()]);
    traced.end(outcome !== undefined && "error" in outcome ? outcome.error : undefined);
    if (this.gone !== undefined || outcome === undefined) return;
    if ("value" in outcome) return this.#complete(outcome.value);
    if ("deferred" in outcome) {
      await this.park({ for: "outside" });
      if (this.gone !== undefined) return;
    }
    await this.#failed("error" in outcome ? outcome.error : undefined);
  }

  async #runHandler(traced: TracedWork): Promise<HandlerOutcome> {
    const { runInside, client, deps } = this.#s;
    const context = {
      input: this.origin.input,
      caller: this.origin.caller,
      op: this.handle,
      signal: this.signal,
      attempt: this.snapshot.attempt,
      ...(this.#upload === undefined ? {} : { upload: this.#upload }),
      log: this.log,
      client,
      deps,
    };
    try {
      const body = (): unknown => this.facts.handler?.(context);
      const answer: unknown = await traced.run(runInside === undefined ? body : () => runInside(traced.context, body));
      if (this.handle.isDeferral(answer)) return { deferred: true };
      if (typeof answer === "object" && answer !== null && "ok" in answer) {
        if (answer.ok === true && "value" in answer) return { value: answer.value };
        if ("error" in answer) return { error: answer.error };
      }
      return { error: new TypeError("The handler of an operation returned no Result.") };
    } catch (error) {
      return { error };
    }
  }

  async #complete(value: unknown): Promise<void> {
    const { output } = this.facts;
    if (!output.check(value)) {
      const id = this.#report("The handler of an operation answered what its contract does not describe.", {
        issues: output.errors(value),
      });
      return this.#fail(new UnexpectedError(id), id);
    }
    try {
      // The schema has said that it is JSON.
      await this.#end("completed", { state: "completed", output: value as Json });
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await this.#fail(new OperationError("output_too_large", this.name.id));
    }
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#stop === "cancelled") return this.#end("cancelled", { state: "cancelled" });
    if (isForCaller(error, this.facts.declared) && !(error instanceof TransportError)) return this.#fail(error);
    if (this.#stop === "stopping") return this.#failAttempt(describe(error), 0, true);
    const { attempt } = this.snapshot;
    const { maxAttempts, backoffMs } = this.facts;
    const id = this.#report("An attempt of an operation failed.", { error });
    if (attempt >= maxAttempts) return this.#fail(new UnexpectedError(id), id, describe(error));
    return this.#failAttempt(describe(error), backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 0, false, id);
  }

  async #failAttempt(message: string, delayMs: number, givenBack: boolean, id?: string): Promise<void> {
    const until = Math.round(this.nowMs() + delayMs);
    const reason = givenBack
      ? "The replica that ran it was stopped; another goes on."
      : `An attempt failed and is repeated${id === undefined ? "." : `; the service's log has the details under ${id}.`}`;
    const stored = await this.append(
      "attempt-failed",
      { message, until, ...(givenBack ? { givenBack } : {}) },
      { pause: { for: "retry", until, reason } },
    );
    if (!stored) return;
    this.#journal.close("given back");
    this.#items.giveBack(delayMs);
  }

  #fail(error: Error, id: string = globalThis.crypto.randomUUID(), message?: string): Promise<void> {
    const body: ErrorBody = errorBody(error, id);
    return this.#end("failed", { state: "failed", error: body }, message);
  }

  /** Writes the end, then lets go of the items. */
  async #end(
    kind: "completed" | "failed" | "cancelled",
    change: Partial<OperationSnapshot>,
    message?: string,
  ): Promise<void> {
    const { retentionMs } = this.origin;
    const ended = { ...change, ...this.handle.takeProgress(), endedAt: Math.round(this.nowMs()) };
    const history = this.#journal.endedHistory(kind, ended.endedAt, message);
    const members = { history, ...(message === undefined ? {} : { message }) };
    const came = this.#items.count;
    let stored: boolean;
    try {
      stored = await this.append(kind, { ...members, origin: this.origin }, ended, retentionMs);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      // Input and output together are too much for one message: then nobody can let it begin again.
      stored = await this.append(kind, {}, ended, retentionMs);
    }
    if (!stored) return;
    this.#journal.close("ended");
    this.#items.acknowledge(came);
  }

  async #fetch(): Promise<void> {
    const messages = await this.#s.journal.inbox(this.name, this.#inboxAt, this.#quit.signal);
    for (const { sequence, message } of messages) {
      if (sequence <= this.#inboxAt) continue;
      if (message.kind === "signal") {
        const { name, input } = message;
        const tell = (): void => this.handle.take({ name, input, sequence });
        if (!(await this.#copy(sequence, "signal", { name, value: input }, {}, tell))) return;
      } else if (sequence <= this.#cancelsAfter) this.#inboxAt = sequence;
      else {
        const { reason } = message;
        const members = reason === undefined ? {} : { message: reason };
        const tell = (): void => this.halt("cancelled");
        if (!(await this.#copy(sequence, "cancelling", members, { cancelRequested: true }, tell))) return;
      }
    }
  }

  /** Records what came, then tells the handler: before anything else is recorded, which might be that it only waits. */
  #copy(
    inbox: number,
    kind: "signal" | "cancelling",
    members: Partial<OperationRecord>,
    change: Partial<OperationSnapshot>,
    tell: () => void,
  ): Promise<boolean> {
    return this.#journal.inTurn(async () => {
      if (!(await this.#journal.write(kind, { ...members, inbox }, change))) return false;
      this.#inboxAt = inbox;
      tell();
      return true;
    });
  }

  #cancelledForLong(): Promise<HandlerOutcome | undefined> {
    return new Promise((resolve) => {
      this.signal.addEventListener("abort", () => {
        if (this.#stop === "lost" || this.#stop === "expired") return resolve(undefined);
        if (this.#stop === "cancelled")
          void pause(CANCEL_GRACE_MS, this.#quit.signal).then(() => resolve({ error: this.signal.reason }));
      });
    });
  }

  #watchDeadline(): ReturnType<typeof setTimeout> | undefined {
    const { deadlineAt } = this.snapshot;
    if (deadlineAt === undefined) return undefined;
    return setTimeout(
      () => {
        if (this.gone !== undefined || this.nowMs() < deadlineAt) return;
        void this.#fail(new OperationError("deadline_exceeded", this.name.id))
          .catch((error: unknown) =>
            this.log.warn("The end of an operation at its deadline could not be recorded; it is tried again.", {
              error,
            }),
          )
          .finally(() => this.halt("expired"));
      },
      Math.min(Math.max(1, deadlineAt - this.nowMs() + 1), LONGEST_TIMER_MS),
    );
  }

  #report(message: string, fields: { readonly [name: string]: unknown }): string {
    const id = globalThis.crypto.randomUUID();
    this.log.error(message, { log: id, ...fields });
    return id;
  }
}

type HandlerOutcome = { readonly value: unknown } | { readonly error: unknown } | { readonly deferred: true };

const WHY: { readonly [R in StopReason]: string } = {
  cancelled: "The operation was cancelled.",
  expired: "The deadline of the operation has passed.",
  lost: "Another replica has taken this operation.",
  stopping: "The service is stopping; the operation goes to another replica.",
};

function isTooLarge(error: unknown): boolean {
  return (
    (error instanceof TransportError && error.code === "payload_too_large") ||
    (error instanceof StreamRefused && error.isTooLarge)
  );
}

/** No stack: records are read by people who are not on this machine. */
function describe(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : (JSON.stringify(error) ?? String(error));
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
