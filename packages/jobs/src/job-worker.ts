import { within } from "@trellis/client/internal";
import type { Delivery, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import type { JobsBinding } from "@trellis/contracts";
import { readJobSubject, readRecordBody } from "./job-record.ts";
import { JobRun } from "./job-run.ts";
import type { RunSurroundings } from "./job-run.ts";
import type { Slot } from "./group-seats.ts";
import { HandlerPlaces } from "./handler-places.ts";
import type { JobMarks } from "./job-marks.ts";
import { QueueLimits } from "./queue-limits.ts";
import { openIntake } from "./work-intake.ts";
import type { WorkIntake } from "./work-intake.ts";
import { showPresence } from "./worker-presence.ts";

const TERM = new TextEncoder().encode("+TERM");

/** Takes the jobs of one queue and runs them, so many at a time. */
export class JobWorker {
  readonly #surroundings: RunSurroundings;
  readonly #runs = new Map<string, JobRun>();
  /** Runs that wait for a limit: they take no place. */
  readonly #waiting = new Set<string>();
  /** Runs whose handler is through and whose end is being stored. */
  readonly #ending = new Set<string>();
  readonly #wantPlace = new Map<string, () => void>();
  #lastAttempt: JobRun | undefined;
  readonly #intake: WorkIntake;
  readonly #endings: readonly LinkSubscription[];
  readonly #places: HandlerPlaces;
  readonly #mayClaimAhead: boolean;
  readonly #quit = new AbortController();
  readonly #beating: ReturnType<typeof setInterval>;
  readonly #stopPresence: () => void;
  #closed: ReturnType<typeof setTimeout> | undefined;
  #idle: (() => void) | undefined;

  constructor(
    parts: Omit<RunSurroundings, "places" | "quit" | "enter" | "takeLastAttempt">,
    marks: JobMarks,
    binding: JobsBinding,
  ) {
    const { link, journal, facts, log, nowMs, worker } = parts;
    const limits =
      facts.rate === undefined && facts.perGroup === undefined
        ? undefined
        : new QueueLimits({ marks, journal, facts, nowMs });
    this.#places = new HandlerPlaces(facts.concurrency);
    this.#surroundings = {
      ...parts,
      places: this.#places,
      quit: this.#quit.signal,
      takeLastAttempt: (run) => (this.#lastAttempt ??= run) === run,
      ...(limits === undefined
        ? {}
        : { enter: (item, deliveries, signal) => limits.enter(item, deliveries, this.#slot(item.id), signal) }),
    };
    // What is claimed ahead of a limit would use it up, and what is more important may come meanwhile.
    this.#mayClaimAhead = limits === undefined && !facts.priorities;
    // A hint that comes at once; the journal decides.
    this.#endings = (["cancelled", "expired"] as const).map((event) =>
      link.subscribe(journal.subject("*", event), {
        onMessage: ({ subject }) => {
          const id = readJobSubject(subject)?.id;
          if (id !== undefined) void this.#runs.get(id)?.endedElsewhere();
        },
      }),
    );
    this.#intake = openIntake({
      link,
      binding,
      ackWaitMs: facts.ackWaitMs,
      free: () => (limits !== undefined && this.#isClosed(limits.closedMs) ? 0 : this.#room),
      enough: Math.max(1, Math.ceil(facts.concurrency / 4)),
      onDelivery: (delivery) => this.#take(delivery),
      onTrouble: (why) =>
        log.warn("No jobs come at the moment; asking again until they do.", { queue: facts.queue, why }),
    });
    this.#beating = setInterval(() => {
      for (const run of this.#runs.values()) run.beat();
    }, facts.ackWaitMs / 3);
    this.#stopPresence = showPresence(marks, facts.concurrency, worker, () => this.#runs.keys());
  }

  /** Jobs this worker could take. Storing an end takes no place; when ends pile up, as they do without NATS, it does. */
  get #room(): number {
    const { concurrency } = this.#surroundings.facts;
    const ending = Math.min(this.#ending.size, concurrency);
    const ahead = this.#mayClaimAhead ? this.#places.ahead : 0;
    return concurrency + ahead - (this.#runs.size - this.#waiting.size - ending);
  }

  /** Asks again when the queue may go on. */
  #isClosed(closedMs: number): boolean {
    if (closedMs <= 0) return false;
    this.#closed ??= setTimeout(() => {
      this.#closed = undefined;
      this.#intake.more();
    }, closedMs);
    return true;
  }

  #slot(id: string): Slot {
    return {
      release: () => {
        this.#waiting.add(id);
        this.#placeFree();
      },
      acquire: async (withinMs) => {
        if (this.#room <= 0) {
          const free = new Promise<void>((resolve) => this.#wantPlace.set(id, resolve));
          const came = await within(Math.max(0, withinMs), free);
          this.#wantPlace.delete(id);
          return came;
        }
        this.#waiting.delete(id);
        return true;
      },
    };
  }

  /** To those who wait here first, then to what waits in the stream. */
  #placeFree(): void {
    for (const [id, resolve] of this.#wantPlace) {
      if (this.#room <= 0) break;
      this.#wantPlace.delete(id);
      this.#waiting.delete(id);
      resolve();
    }
    this.#intake.more();
  }

  /** Jobs at work. */
  get running(): number {
    return this.#runs.size;
  }

  /** Takes no more and lets what runs finish; after the time is up, what still runs is given back. */
  async drain(graceMs: number): Promise<{ readonly left: number }> {
    const stopped = this.#intake.stopGivingBack();
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
    this.#intake.close();
    this.#stopPresence();
    clearTimeout(this.#closed);
    clearInterval(this.#beating);
    for (const run of this.#runs.values()) run.stop();
    this.#quit.abort();
    for (const subscription of this.#endings) subscription.close();
  }

  #take({ message, reply, deliveries }: Delivery): void {
    const { link, log, facts } = this.#surroundings;
    const recordSequence = sourceSequence(message);
    const item = readRecordBody(message.data);
    if (item === undefined) {
      log.error("A work item was dropped: it is not a job.", { queue: facts.queue, record: recordSequence });
      link.publish(reply, TERM);
      return;
    }
    const same = this.#runs.get(item.id);
    if (same !== undefined) return same.deliveredAgain(reply, recordSequence);
    const run = new JobRun(this.#surroundings, item, recordSequence, reply);
    this.#runs.set(item.id, run);
    void run
      .go(deliveries, () => {
        this.#ending.add(item.id);
        this.#placeFree();
      })
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
        if (this.#lastAttempt === run) this.#lastAttempt = undefined;
        this.#waiting.delete(item.id);
        this.#ending.delete(item.id);
        if (this.#runs.size === 0) this.#idle?.();
        this.#placeFree();
      });
  }
}

/** A handler that heeds its signal needs no longer to write that the job goes back. */
const GIVE_BACK_MS = 2_000;

/** The sequence of the record in the job stream that a work item was made from; 0 when the server does not say. */
function sourceSequence({ headers }: LinkMessage): number {
  // `Nats-Stream-Source: <stream> <sequence> …`
  const sequence = Number(headers?.get("Nats-Stream-Source").split(" ")[1]);
  return Number.isSafeInteger(sequence) ? sequence : 0;
}
