import { within } from "@trellis/client/internal";
import type { Delivery, LinkSubscription } from "@trellis/client/internal";
import type { JobsBinding } from "@trellis/contracts";
import { randomToken } from "@trellis/protocol";
import type { HeldClaim } from "./job-claim.ts";
import { claimPack, handOn } from "./job-pack.ts";
import type { JobPack } from "./job-pack.ts";
import { ItemsAtWork } from "./items-at-work.ts";
import { readJobSubject } from "./job-record.ts";
import type { JobRecordBody } from "./job-record.ts";
import { JobRun } from "./job-run.ts";
import type { RunSurroundings } from "./job-run.ts";
import type { Slot } from "./group-seats.ts";
import { HandlerPlaces } from "./handler-places.ts";
import type { JobMarks } from "./job-marks.ts";
import { QueueLimits } from "./queue-limits.ts";
import { readWork, sourceSequence } from "./read-work.ts";
import { openIntake } from "./work-intake.ts";
import type { WorkIntake } from "./work-intake.ts";
import { PackItem, SingleItem } from "./work-item.ts";
import type { HandOn, WorkItem } from "./work-item.ts";
import { showPresence } from "./worker-presence.ts";

/** How much of what is usual the newest item decides. */
const NEWEST = 1 / 8;
/** What is at work now is over about then, while handlers are quick. */
const PACK_AGAIN_MS = 50;
const TERM = new TextEncoder().encode("+TERM");

/** Takes the jobs of one queue and runs them, so many at a time. */
export class JobWorker {
  readonly #surroundings: RunSurroundings;
  readonly #runs = new Map<string, JobRun>();
  readonly #items = new ItemsAtWork();
  /** Jobs of packs that are being claimed, or made items of their own. */
  #passing = 0;
  /** Jobs the work queue hands out at a time: as many as of late, or fewer. */
  #usualPack = 1;
  #stopped = false;
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
      free: () => (limits !== undefined && this.#isClosed(limits.closedMs) ? 0 : this.#roomForItems),
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
    return concurrency + ahead - (this.running - this.#waiting.size - ending);
  }

  get #roomForItems(): number {
    const room = this.#room;
    return room <= 0 ? 0 : Math.max(1, Math.floor(room / this.#usualPack));
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
    return this.#runs.size + this.#passing;
  }

  /** Takes no more and lets what runs finish; after the time is up, what still runs is given back. */
  async drain(graceMs: number): Promise<{ readonly left: number }> {
    const stopped = this.#intake.stopGivingBack();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      if (this.running === 0) resolve();
    });
    if (!(await within(graceMs, idle))) {
      this.#stopRuns();
      await within(GIVE_BACK_MS, idle);
    }
    await stopped;
    const left = this.running;
    this.close();
    return { left };
  }

  close(): void {
    this.#intake.close();
    this.#stopPresence();
    clearTimeout(this.#closed);
    clearInterval(this.#beating);
    this.#stopRuns();
    this.#quit.abort();
    for (const subscription of this.#endings) subscription.close();
  }

  #stopRuns(): void {
    this.#stopped = true;
    for (const run of this.#runs.values()) run.stop();
  }

  #take({ message, reply, deliveries, sequence }: Delivery): void {
    const { link, log, facts } = this.#surroundings;
    if (this.#items.again(sequence, reply)) return;
    const work = readWork(message);
    if (work === undefined) {
      log.error("A work item was dropped: it is not a job.", { queue: facts.queue, record: sourceSequence(message) });
      link.publish(reply, TERM);
      return;
    }
    const { id, jobs, life, after } = work;
    this.#usualPack = Math.max(jobs.length, this.#usualPack * (1 - NEWEST) + jobs.length * NEWEST);
    const [first] = jobs;
    if (first !== undefined && jobs.length === 1) {
      const item = new SingleItem(link, reply, life, after);
      this.#items.begin(sequence, item);
      return this.#run(first, item, { sequence, deliveries });
    }
    const pack = { id, jobs, life };
    const item = new PackItem(link, reply, { life, size: jobs.length, handOn: this.#handOn(life) });
    this.#items.begin(sequence, item);
    this.#passing += jobs.length;
    this.#takePack(pack, item, { sequence, deliveries })
      .catch((error: unknown) => {
        if (link.state === "closed") return;
        log.warn("Jobs could not be taken; they come again.", { pack: id, queue: facts.queue, error });
      })
      .finally(() => this.#letGo(sequence));
  }

  async #takePack(pack: JobPack, item: PackItem, handed: Handed): Promise<void> {
    const { journal, facts, worker, nowMs } = this.#surroundings;
    const claim = randomToken(12);
    // What would wait here is better off with another worker.
    const whole = this.#mayClaimAhead && this.#places.ahead > 0;
    try {
      // More packs have come than were asked for: they would wait here for places until it is too late.
      if (whole && this.#room + pack.jobs.length <= 0) return item.giveBack(PACK_AGAIN_MS);
      const claimed = await claimPack(pack, {
        journal,
        facts,
        claim,
        worker,
        whole,
        nowMs,
        signal: this.#quit.signal,
      });
      if (claimed.kind === "later") return item.giveBack(claimed.delayMs);
      if (claimed.kind === "split") {
        item.after = claimed.after;
        item.without(pack.jobs.length - claimed.jobs.length);
        for (const job of claimed.jobs) item.handOn(job, 0);
        return;
      }
      const held: HeldClaim = { fence: claimed.fence, expected: 0, claim, attempt: 1, pack: claimed.pack };
      item.after = claim;
      this.#items.more(handed.sequence, pack.jobs.length);
      for (const job of pack.jobs) this.#run(job, item.part(), handed, held);
    } finally {
      this.#passing -= pack.jobs.length;
    }
  }

  #handOn(life: number): HandOn {
    const { journal, nowMs } = this.#surroundings;
    const { signal } = this.#quit;
    return (job, delayMs, after) => {
      this.#passing += 1;
      const stored = handOn(journal, job, { life, after, nowMs: nowMs(), delayMs, signal });
      // A worker that stops waits for it, and until its item has heard of it.
      void stored
        .catch(() => undefined)
        .finally(() => {
          this.#passing -= 1;
          this.#oneLess();
        });
      return stored;
    };
  }

  #run(job: JobRecordBody, item: WorkItem, { sequence, deliveries }: Handed, held?: HeldClaim): void {
    const { link, log, facts } = this.#surroundings;
    const { id } = job;
    const same = this.#runs.get(id);
    if (same !== undefined) {
      same.comesAlsoAs(item, job);
      return this.#letGo(sequence);
    }
    const run = new JobRun(this.#surroundings, job, item, held);
    this.#runs.set(id, run);
    if (this.#stopped) run.stop();
    void run
      .go(deliveries, () => {
        this.#ending.add(id);
        this.#placeFree();
      })
      .catch((error: unknown) => {
        if (link.state === "closed") return;
        log.warn("A job could not be brought to its end here; it comes again.", {
          job: id,
          queue: facts.queue,
          error,
        });
      })
      .finally(() => {
        this.#runs.delete(id);
        if (this.#lastAttempt === run) this.#lastAttempt = undefined;
        this.#waiting.delete(id);
        this.#ending.delete(id);
        this.#letGo(sequence);
      });
  }

  /** One job of an item, or the taking of a pack, is over. */
  #letGo(sequence: number): void {
    this.#items.letGo(sequence);
    this.#oneLess();
  }

  #oneLess(): void {
    if (this.running === 0) this.#idle?.();
    this.#placeFree();
  }
}

/** Which item, and how often it has been handed out. */
interface Handed {
  readonly sequence: number;
  readonly deliveries: number;
}

/** A handler that heeds its signal needs no longer to write that the job goes back. */
const GIVE_BACK_MS = 2_000;
