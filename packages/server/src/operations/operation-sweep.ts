import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { isOver } from "@trellis/protocol";
import type { Log } from "../log.ts";
import { storedRecord } from "./operation-journal.ts";
import type { OperationJournal } from "./operation-journal.ts";

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

/** What is known of one operation that is not over. */
interface Open {
  readonly operation: string;
  readonly id: string;
  readonly at: number;
  /** It rests until then; `undefined`: until somebody does something. */
  readonly until: number | undefined;
  readonly rests: boolean;
}

/**
 * Gives every operation that is not over and that nobody has in hand an item again. Usually there is none: items are
 * stored before an operation is accepted and leave when it is over or asleep, and the server wakes sleepers. It is for what
 * should not happen: a schedule that was lost, an item that somebody removed.
 *
 * 1. It reads what is new since it looked last; what it keeps in memory are the operations that are not over.
 * 2. An item is made on the condition that there is none, so looking too often, or from several replicas, does no harm.
 */
export class OperationSweep {
  readonly #options: SweepOptions;
  readonly #open = new Map<string, Open>();
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
    const found = new Map<string, Open | undefined>();
    let last = this.#next - 1;
    await journal.stream.readThrough(`trellis.ops.${service}.journal.>`, this.#next, (message) => {
      last = message.sequence;
      const stored = storedRecord(message);
      if (stored === undefined) return;
      const { kind, snapshot, until } = stored.record;
      const { operation, id } = snapshot;
      const rests = kind === "parked";
      found.set(
        message.subject,
        isOver(snapshot.state) ? undefined : { operation, id, at: stored.at, until: rests ? until : undefined, rests },
      );
    });
    // Only now is it certain that nothing is missing.
    this.#next = last + 1;
    for (const [subject, open] of found) {
      if (open === undefined) this.#open.delete(subject);
      else this.#open.set(subject, open);
    }
  }

  async #give(): Promise<void> {
    const { journal, nowMs, quietMs, log } = this.#options;
    const now = nowMs();
    for (const [subject, { operation, id, at, until, rests }] of this.#open) {
      if (this.#stopped.signal.aborted) return;
      if (rests ? until === undefined || now < until + quietMs : now < at + quietMs) continue;
      const name = { operation, id };
      const last = await journal.last(name);
      // Its time to be kept is over.
      if (last === undefined || isOver(last.record.snapshot.state)) {
        this.#open.delete(subject);
        continue;
      }
      if (await journal.requeue(name))
        log.warn("An operation that nobody had in hand was put into the queue again.", { operation, id });
    }
  }
}
