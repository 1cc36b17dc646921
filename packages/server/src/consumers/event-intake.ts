import { Puller } from "@trellis/client/internal";
import type { Delivery, Link } from "@trellis/client/internal";
import { EVENT_CONSUMER_DEFAULTS } from "@trellis/contracts";
import type { ConsumerBinding } from "@trellis/contracts";
import type { ConsumerGroup } from "./consumer-group.ts";

export interface EventIntakeOptions {
  readonly link: Link;
  readonly binding: ConsumerBinding;
  readonly group: ConsumerGroup;
  /** How often `awake` is called. */
  readonly everyMs: number;
  /** Events in hand. */
  readonly held: () => number;
  /** How many more to ask for, once everything is here that was out. */
  readonly room: () => number;
  readonly onDelivery: (delivery: Delivery) => void;
  /** What comes now may have been in the hands of a replica that died. */
  readonly onCollect: () => void;
  /** Everything that was out is here. */
  readonly onCollected: () => void;
  /** Whatever is in hand may be in other hands by now. */
  readonly onLost: (reason: string) => void;
  readonly onTrouble: (why: string) => void;
}

/** What was out comes at once; if nothing new follows it, this is how long to wait for the next of it, also on a busy machine. */
const COLLECT_MS = 1_500;
/** JetStream looks after what has expired a moment later. */
const LEAST_MARGIN_MS = 1_000;
const REQUEST_MS = 3_000;

/**
 * Takes the events of a group that serves one replica at a time, and says when they are in order.
 *
 * 1. Whoever takes over gets what was out first, but in no certain order: all of it is collected before anything begins.
 *    The first event that was never delivered before says that there is no more of it.
 * 2. Deliveries are numbered. A number that is missing is an event that was sent and did not arrive: later ones must not
 *    pass it, so what comes is left alone until all of it comes again, the missing one first.
 * 3. What a process that stood still reads first was sent to it long ago, and may be somebody else's by now: the same.
 * 4. JetStream gives a turn away when nothing of the one before can be out any more, unless it was started anew itself. So a
 *    replica that has just begun waits as long before the first new event, except where it is the first of all.
 */
export class EventIntake {
  readonly #options: EventIntakeOptions;
  readonly #puller: Puller;
  readonly #standBackMs: number;
  #collecting = false;
  #hadTurn = false;
  #collected: ReturnType<typeof setTimeout> | undefined;
  #standing: ReturnType<typeof setTimeout> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  #quietSince = 0;
  #next: number | undefined;
  readonly #bornAt = performance.now();
  #awakeAt = this.#bornAt;
  #stopped = false;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
    const { link, binding, group, everyMs, held, room, onTrouble } = options;
    this.#standBackMs = group.ackWaitMs + Math.max(everyMs, LEAST_MARGIN_MS);
    this.#puller = new Puller({
      link,
      binding,
      // Asked for one by one, the first new event says at once that there is nothing older, and comes alone.
      free: () => (group.strict && this.#collecting ? 1 : room()),
      enough: 1,
      expiresMs: REQUEST_MS,
      pinned: {
        group: EVENT_CONSUMER_DEFAULTS.pinnedGroup,
        standBackMs: this.#standBackMs,
        holds: () => held() > 0,
        onTurn: () => this.#collect(),
        onLost: () => this.lose("It is another replica's turn."),
      },
      onDelivery: (delivery) => this.#take(delivery),
      onTrouble,
    });
  }

  /** Nothing begins: older events may still come. */
  get collecting(): boolean {
    return this.#collecting;
  }

  /** There may be room for more. */
  more(): void {
    this.#puller.more();
  }

  /** Not having been called for an ack wait means that this process stood still. */
  awake(now: number): void {
    const stoodStill = now - this.#awakeAt > this.#options.group.ackWaitMs;
    this.#awakeAt = now;
    if (stoodStill) this.lose("This process stood still for too long.");
  }

  /** Gives up what is in hand, and takes nothing until all of it comes again, here or elsewhere. */
  lose(reason: string): void {
    this.#options.onLost(reason);
    this.#standBack("keep", this.#standBackMs);
  }

  /** Leaves the turn to another replica, if there is one. */
  leaveTurn(forMs: number): void {
    this.#standBack("leave", forMs);
  }

  /** Takes nothing more, and keeps the turn while something is in hand. */
  stopTaking(): void {
    this.#end();
    this.#puller.pause("keep");
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#puller.stop();
  }

  #end(): void {
    this.#stopped = true;
    this.#clearTimers();
  }

  #clearTimers(): void {
    clearTimeout(this.#collected);
    clearTimeout(this.#later);
    clearTimeout(this.#standing);
    this.#later = undefined;
  }

  #take(delivery: Delivery): void {
    const { group, held, onDelivery } = this.#options;
    const now = performance.now();
    if (this.#standing !== undefined) {
      this.#quietSince = now;
      return;
    }
    if (now - this.#awakeAt > group.ackWaitMs) return this.awake(now);
    const missed = this.#next !== undefined && delivery.nth !== this.#next;
    if (missed && this.#puller.hasTurn && !this.#stopped) return this.#standBack("keep", this.#standBackMs);
    this.#next = delivery.nth + 1;
    if (this.#collecting && delivery.deliveries === 1) this.#foundNew(delivery);
    else if (this.#collecting && this.#later === undefined) this.#waitForNext();
    onDelivery(delivery);
    if (held() >= group.out) this.#settle();
  }

  /** There is nothing older to come, unless it is still out of a turn before. */
  #foundNew({ nth }: Delivery): void {
    if (this.#later !== undefined) return;
    const earlyMs = nth > 1 ? this.#earlyMs : 0;
    if (earlyMs <= 0) return this.#settle();
    clearTimeout(this.#collected);
    this.#puller.pause("keep");
    this.#later = setTimeout(() => {
      this.#later = undefined;
      this.#collect();
      this.#puller.resume();
    }, earlyMs);
  }

  /** Until then something may be out of a turn before this replica's first. */
  get #earlyMs(): number {
    return this.#hadTurn ? 0 : this.#bornAt + this.#standBackMs - performance.now();
  }

  #standBack(turn: "keep" | "leave", forMs: number): void {
    if (this.#stopped) return;
    this.#clearTimers();
    this.#puller.pause(turn);
    this.#quietSince = performance.now();
    this.#waitForQuiet(forMs, forMs);
  }

  /** What still came of the last request is out from then on. */
  #waitForQuiet(forMs: number, afterMs: number): void {
    clearTimeout(this.#standing);
    this.#standing = setTimeout(() => {
      const leftMs = this.#quietSince + forMs - performance.now();
      if (leftMs >= 1) return this.#waitForQuiet(forMs, leftMs);
      this.#standing = undefined;
      this.#next = undefined;
      this.#collect();
      this.#puller.resume();
    }, afterMs);
  }

  #collect(): void {
    if (this.#stopped || this.#standing !== undefined) return;
    this.#collecting = true;
    this.#options.onCollect();
    this.#waitForNext();
  }

  #waitForNext(): void {
    clearTimeout(this.#collected);
    this.#collected = setTimeout(() => this.#settle(), Math.max(COLLECT_MS, this.#earlyMs));
  }

  #settle(): void {
    if (!this.#collecting) return;
    clearTimeout(this.#collected);
    this.#collecting = false;
    this.#hadTurn = true;
    if (this.#stopped) return;
    this.#options.onCollected();
    if (this.#later === undefined) return;
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#puller.resume();
  }
}
