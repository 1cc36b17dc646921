import type { PreparedEvent, TrellisClient } from "@trellis/client";
import { publishableEvents } from "@trellis/client/internal";
import type { AnyContract } from "@trellis/contracts";
import type { Log } from "@trellis/server";
import { OUTBOX_LIMITS } from "./limits.ts";
import type { OutboxRepository, WaitingEvent } from "./repository.ts";
import { tellStrangers } from "./tell-strangers.ts";

/** What publishes: a service fits, and so does a client with a log. */
export interface OutboxPublisher {
  readonly contract: AnyContract;
  readonly client: Pick<TrellisClient, "publishPrepared">;
  readonly log: Log;
}

export type DispatcherLimits = { readonly [Limit in "batch" | "lanes" | "leaseMs" | "pollMs" | "strangerMs"]: number };

export interface DispatcherOptions {
  readonly repository: OutboxRepository;
  readonly service: OutboxPublisher;
  /** Other limits than those of `OUTBOX_LIMITS`. */
  readonly limits?: Partial<DispatcherLimits>;
}

/** Publishes what is in an outbox, from its start until `stop`. */
export interface OutboxDispatcher extends AsyncDisposable {
  /** Looks at once, for a transaction the repository could not see. */
  wake(): void;
  /** Ends what is being published and gives back the rest. */
  stop(): Promise<void>;
}

/**
 * Begins to publish what is, and what will be, in the outbox. Every replica of a service runs one; they share the work.
 *
 * 1. Events of one subject are published one after the other, the next only when storage has the one before.
 * 2. An event leaves the outbox after storage has it. Whoever dies in between leaves it to another, who publishes it
 *    again under the same id: within the dedupe window of the platform it is stored once.
 * 3. What fails for a reason that may pass is tried for ever; its subject waits behind it, the others go on.
 */
export function dispatchOutbox(options: DispatcherOptions): OutboxDispatcher {
  return new Dispatcher(options);
}

/** Where a lane stopped, and why. */
interface Stopped {
  readonly event: PreparedEvent;
  readonly reason: string;
}

class Dispatcher implements OutboxDispatcher {
  readonly #repository: OutboxRepository;
  readonly #service: OutboxPublisher;
  readonly #limits: DispatcherLimits;
  readonly #holder = globalThis.crypto.randomUUID();
  readonly #names: readonly string[];
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  readonly #tellingStrangers: ReturnType<typeof setInterval>;
  #woken = false;
  #sleeper: (() => void) | undefined;
  /** Until when what we hold is ours, by the monotonic clock. */
  #heldUntil = 0;

  constructor({ repository, service, limits }: DispatcherOptions) {
    this.#repository = repository;
    this.#service = service;
    this.#limits = { ...OUTBOX_LIMITS, ...limits };
    this.#names = [...publishableEvents(service.contract).keys()];
    repository.watch(() => this.wake(), this.#stop.signal);
    this.#tellingStrangers = setInterval(() => void this.#tellStrangers(), this.#limits.strangerMs);
    this.#ended = this.#run();
  }

  wake(): void {
    this.#woken = true;
    this.#sleeper?.();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#tellingStrangers);
    this.wake();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      let outcome: "empty" | "published" | "stuck";
      try {
        outcome = await this.#round();
      } catch (error) {
        outcome = "stuck";
        this.#service.log.error("The outbox could not be read or written; trying again.", { error });
      }
      failures = outcome === "stuck" ? failures + 1 : 0;
      if (outcome === "stuck") await this.#sleep(Math.min(100 * 2 ** failures, OUTBOX_LIMITS.longestPauseMs), false);
      else if (outcome === "empty") await this.#sleep(this.#limits.pollMs, true);
    }
    await this.#giveBack();
  }

  /** Publishes one batch. */
  async #round(): Promise<"empty" | "published" | "stuck"> {
    this.#woken = false;
    const { batch, leaseMs } = this.#limits;
    const claimedAt = performance.now();
    const claimed = await this.#repository.claim({ holder: this.#holder, names: this.#names, limit: batch, leaseMs });
    if (claimed.length === 0) return "empty";
    this.#heldUntil = claimedAt + leaseMs;
    const renewal = setInterval(() => void this.#renew(), leaseMs / 3);
    const sent = new SentEvents(this.#repository);
    const lanes = [...Map.groupBy(claimed, ({ lane }) => lane).values()];
    const stopped: Stopped[] = [];
    const work = async (): Promise<void> => {
      for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
        const stop = await this.#publishLane(lane, sent);
        if (stop !== undefined) stopped.push(stop);
      }
    };
    try {
      await Promise.all(Array.from({ length: this.#limits.lanes }, work));
    } finally {
      clearInterval(renewal);
      await sent.settle();
    }
    const [first] = stopped;
    if (first === undefined) return "published";
    if (!this.#stopping) {
      const { event, reason } = first;
      this.#service.log.warn("Events of the outbox could not be published; they and what follows them wait.", {
        subjects: stopped.length,
        event: event.name,
        id: event.id,
        reason,
      });
    }
    // What is left goes to whoever gets through.
    await this.#repository.release(this.#holder);
    return "stuck";
  }

  /** Publishes events in their order; answers where and why it stopped before the end. */
  async #publishLane(lane: readonly WaitingEvent[], sent: SentEvents): Promise<Stopped | undefined> {
    for (const waiting of lane) {
      const { event } = waiting;
      const leftMs = this.#heldUntil - performance.now();
      if (this.#stopping || leftMs <= 0) return { event, reason: "the lease on it is over" };
      const result = await this.#service.client.publishPrepared(event, {
        timeoutMs: leftMs,
        signal: this.#stop.signal,
      });
      if (result.ok) {
        sent.add(waiting);
        continue;
      }
      const reason = result.error.message;
      if (result.error.code !== "payload_too_large") return { event, reason };
      await this.#repository.park(waiting, reason);
      const fields = { event: event.name, id: event.id, reason };
      this.#service.log.error("An event of the outbox can never be published; it was put aside.", fields);
    }
    return undefined;
  }

  async #renew(): Promise<void> {
    const { leaseMs } = this.#limits;
    const askedAt = performance.now();
    try {
      await this.#repository.renew(this.#holder, leaseMs);
      this.#heldUntil = askedAt + leaseMs;
    } catch (error) {
      // Not renewed, the lease ends, and with it what we publish under it.
      this.#service.log.warn("The lease on events of the outbox could not be renewed.", { error });
    }
  }

  async #tellStrangers(): Promise<void> {
    const { log } = this.#service;
    try {
      await tellStrangers(this.#repository, this.#names, this.#limits.strangerMs, log);
    } catch (error) {
      log.debug("It could not be seen what waits for another version.", { error });
    }
  }

  async #giveBack(): Promise<void> {
    try {
      await this.#repository.release(this.#holder);
    } catch (error) {
      this.#service.log.warn("What this replica held of the outbox is free only when its lease is over.", { error });
    }
  }

  /** Until somebody wakes us (`stop` always does), or the time is over. */
  async #sleep(ms: number, wakeable: boolean): Promise<void> {
    if (this.#stopping || (wakeable && this.#woken)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#sleeper = () => {
        if (!wakeable && !this.#stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#sleeper = undefined;
  }
}

/** Takes what was published out of the outbox, many at a time, while publishing goes on. */
class SentEvents {
  readonly #repository: OutboxRepository;
  #waiting: WaitingEvent[] = [];
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(repository: OutboxRepository) {
    this.#repository = repository;
  }

  add(event: WaitingEvent): void {
    this.#waiting.push(event);
    this.#writing ??= this.#write();
  }

  /** Resolves when all of them are out; rejects when one could not be taken out: it will be published again. */
  async settle(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #write(): Promise<void> {
    // One turn later, so that what was published in the same moment leaves together.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0) await this.#repository.sent(this.#waiting.splice(0));
    } catch (error) {
      this.#failure = { error };
    }
    this.#writing = undefined;
  }
}
