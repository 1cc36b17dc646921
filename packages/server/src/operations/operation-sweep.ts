import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { isOver } from "@trellis/protocol";
import type { Log } from "../log.ts";
import { storedRecord } from "./operation-journal.ts";
import type { OperationJournal } from "./operation-journal.ts";
import type { StoredRecord } from "./operation-record.ts";

export interface SweepOptions {
  readonly link: Link;
  readonly journal: OperationJournal;
  readonly service: string;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly everyMs: number;
  /** Nothing was written for so long: whoever ran it is gone, and its item should have come again. */
  readonly quietMs: number;
}

/** A journal of a hundred thousand operations is not to be in memory at once: a server sends as fast as it can. */
const AT_ONCE = { messages: 512, bytes: 512 * 1024 };

/**
 * Gives every operation that is not over and that nobody has in hand an item again. Usually there is none: items are
 * stored before an operation is accepted and leave when it is over or asleep, and the server wakes sleepers. It is for what
 * should not happen: a schedule that was lost, an item that somebody removed.
 *
 * 1. It reads what is new since it looked last; what it keeps in memory are the ids of operations that go on by themselves, and in
 *    which second it is to look at them: of a hundred thousand sleepers eight megabytes.
 * 2. An item is made on the condition that there is none, so looking too often, or from several replicas, does no harm.
 */
export class OperationSweep {
  readonly #options: SweepOptions;
  /** By operation and id: the second by which something should have happened. */
  readonly #due = new Map<string, Map<string, number>>();
  readonly #stopped = new AbortController();
  #next = 1;

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    const { everyMs, log } = this.#options;
    // Spread, so that replicas that started together do not sweep together.
    while (await pause(everyMs * (0.75 + Math.random() / 2), this.#stopped.signal)) {
      try {
        await this.#look();
        await this.#give();
      } catch (error) {
        log.debug("A sweep of the operations broke off; it is done again.", { error });
      }
    }
  }

  async #look(): Promise<void> {
    const { journal, service, link } = this.#options;
    if (link.state !== "connected") return;
    let last = this.#next - 1;
    await journal.stream.readThrough(
      `trellis.ops.${service}.journal.>`,
      this.#next,
      (message) => {
        last = message.sequence;
        const stored = storedRecord(message);
        if (stored !== undefined) this.#note(stored);
      },
      AT_ONCE,
    );
    // Only now is it certain that nothing is missing; what is read once more says the same.
    this.#next = last + 1;
  }

  #note({ at, record: { kind, snapshot, until } }: StoredRecord): void {
    const { operation, id } = snapshot;
    let due = this.#due.get(operation);
    if (due === undefined) this.#due.set(operation, (due = new Map()));
    const from = kind === "parked" ? until : at;
    // One that is over, or rests until somebody does something, is never looked at.
    if (from === undefined || isOver(snapshot.state)) due.delete(id);
    else due.set(id, Math.ceil((from + this.#options.quietMs) / 1_000));
  }

  async #give(): Promise<void> {
    const { journal, nowMs, log } = this.#options;
    const now = nowMs() / 1_000;
    for (const [operation, due] of this.#due) {
      for (const [id, second] of due) {
        if (this.#stopped.signal.aborted) return;
        if (now < second) continue;
        const name = { operation, id };
        const last = await journal.last(name);
        // Its time to be kept is over.
        if (last === undefined || isOver(last.record.snapshot.state)) due.delete(id);
        else if (await journal.requeue(name))
          log.warn("An operation that nobody had in hand was put into the queue again.", { operation, id });
      }
    }
  }
}
