import { Puller, within } from "@trellis/client/internal";
import type { Delivery, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import type { ConsumerBinding } from "@trellis/contracts";
import { readJobSubject, readRecordBody } from "./job-record.ts";
import { JobRun } from "./job-run.ts";
import type { RunSurroundings } from "./job-run.ts";

const TERM = new TextEncoder().encode("+TERM");

/** Takes the jobs of one queue and runs them, so many at a time. */
export class JobWorker {
  readonly #surroundings: RunSurroundings;
  readonly #runs = new Map<string, JobRun>();
  readonly #puller: Puller;
  readonly #endings: readonly LinkSubscription[];
  #idle: (() => void) | undefined;

  constructor(surroundings: RunSurroundings, binding: ConsumerBinding) {
    this.#surroundings = surroundings;
    const { link, journal, facts, log } = surroundings;
    // A hint that comes at once; the journal decides.
    this.#endings = (["cancelled", "expired"] as const).map((event) =>
      link.subscribe(journal.subject("*", event), {
        onMessage: ({ subject }) => {
          const id = readJobSubject(subject)?.id;
          if (id !== undefined) void this.#runs.get(id)?.endedElsewhere();
        },
      }),
    );
    this.#puller = new Puller({
      link,
      binding,
      free: () => facts.concurrency - this.#runs.size,
      enough: Math.max(1, Math.ceil(facts.concurrency / 4)),
      expiresMs: REQUEST_MS,
      onDelivery: (delivery) => this.#take(delivery),
      onTrouble: (why) =>
        log.warn("No jobs come at the moment; asking again until they do.", { queue: facts.queue, why }),
    });
  }

  /** Jobs at work. */
  get running(): number {
    return this.#runs.size;
  }

  /** Takes no more and lets what runs finish; after the time is up, what still runs is given back. */
  async drain(graceMs: number): Promise<{ readonly left: number }> {
    const stopped = this.#puller.stopGivingBack();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      if (this.#runs.size === 0) resolve();
    });
    if (!(await within(graceMs, idle))) {
      for (const run of this.#runs.values()) run.stop();
      await within(GIVE_BACK_MS, idle);
    }
    await stopped;
    const left = this.#runs.size;
    this.close();
    return { left };
  }

  close(): void {
    this.#puller.close();
    for (const run of this.#runs.values()) run.quit();
    for (const subscription of this.#endings) subscription.close();
  }

  #take({ message, reply }: Delivery): void {
    const { link, log, facts } = this.#surroundings;
    const recordSequence = sourceSequence(message);
    const item = readRecordBody(message.data);
    if (item === undefined) {
      log.error("A work item was dropped: it is not a job.", { queue: facts.queue, record: recordSequence });
      link.publish(reply, TERM);
      return;
    }
    const same = this.#runs.get(item.id);
    if (same !== undefined) return same.deliveredAgain(reply);
    const run = new JobRun(this.#surroundings, item, recordSequence, reply);
    this.#runs.set(item.id, run);
    void run
      .go()
      .catch((error: unknown) => {
        if (link.state === "closed") return;
        log.warn("A job could not be brought to its end here; it comes again.", {
          job: item.id,
          queue: facts.queue,
          error,
        });
      })
      .finally(() => {
        this.#runs.delete(item.id);
        if (this.#runs.size === 0) this.#idle?.();
        this.#puller.more();
      });
  }
}

/** A handler that heeds its signal needs no longer to write that the job goes back. */
const GIVE_BACK_MS = 2_000;

/** A worker that was killed may swallow what was handed to its open request, until its acknowledgement wait is over. */
const REQUEST_MS = 1_500;

/** The sequence of the record in the job stream that a work item was made from; 0 when the server does not say. */
function sourceSequence({ headers }: LinkMessage): number {
  // `Nats-Stream-Source: <stream> <sequence> …`
  const sequence = Number(headers?.get("Nats-Stream-Source").split(" ")[1]);
  return Number.isSafeInteger(sequence) ? sequence : 0;
}
