import { Recent } from "@trellis/client/internal";
import type { Delivery, Link } from "@trellis/client/internal";
import { readStoredSubject, replayToken } from "@trellis/contracts";
import type { ConsumerBinding } from "@trellis/contracts";
import type { CallSurroundings } from "../call.ts";
import { AckBatch } from "./ack-batch.ts";
import { Burial } from "./burial.ts";
import { backoffAfter, turnLeftMs } from "./consumer-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { DeadReason } from "./dead-letter.ts";
import { EventAttempts } from "./event-attempts.ts";
import { EventIntake } from "./event-intake.ts";
import { HandSize } from "./hand-size.ts";
import { HeldEvent } from "./held-event.ts";
import type { HeldAttempt } from "./held-event.ts";
import { KeepAlive } from "./keep-alive.ts";
import { Lanes } from "./lanes.ts";
import { LastAttempts } from "./last-attempts.ts";

export interface GroupRunnerOptions {
  readonly link: Link;
  readonly group: ConsumerGroup;
  readonly binding: ConsumerBinding;
  readonly deployment: string;
  readonly surroundings: CallSurroundings;
  /** How long a handler may take before its attempt counts as failed. */
  readonly handlerMs: number;
}

/** After a moment, so that all that goes back together is looked at together, and comes in its order. */
const GIVE_BACK = new TextEncoder().encode('-NAK {"delay": 1000000}');
/** Between tries to put an event aside. */
const BURY_AGAIN_MS = 2_000;
/** Handled events that are remembered, in case their acknowledgement got lost. */
const REMEMBERED = 4_096;
const WIDE_REQUEST = 4_096;

/**
 * Handles the events of one consumer group in one replica.
 *
 * 1. One replica at a time is served (see `EventIntake`). It handles events of one lane one after the other: those of one
 *    subject, or in strict order all of them.
 * 2. An event in hand is said to be alive every third of the ack wait. Not having said so for a whole ack wait means
 *    another replica may have it: its handler's signal aborts, and nothing more is said about it.
 * 3. An event is acknowledged when its handler has succeeded or when a dead letter is stored, never otherwise.
 * 4. A failed event stays in hand through its delay: given back, a later one of its lane could overtake it in another
 *    replica. For the same reason nothing goes back while something is at work.
 * 5. Only attempts that failed here count. How often an event was delivered says how many replicas ended while it was out,
 *    which may have been the fault of another: one that was delivered as often as allowed is handled alone, so that one
 *    which kills the process is found (see `LastAttempts`).
 */
export class GroupRunner {
  readonly #options: GroupRunnerOptions;
  readonly #held = new Map<number, HeldEvent>();
  readonly #lanes = new Lanes();
  readonly #handled = new Recent<number>(REMEMBERED);
  readonly #replayToken: string;
  readonly #handSize: HandSize;
  readonly #intake: EventIntake;
  readonly #attempts: EventAttempts;
  readonly #acks: AckBatch;
  readonly #burial: Burial;
  readonly #lastAttempts: LastAttempts;
  readonly #keepAlive: KeepAlive;
  readonly #ready: HeldEvent[] = [];
  #beginning = false;
  #stopping = false;
  #nothingAtWork: (() => void) | undefined;

  constructor(options: GroupRunnerOptions) {
    this.#options = options;
    const { link, group, binding, deployment, surroundings, handlerMs } = options;
    this.#replayToken = replayToken(deployment, group.name);
    this.#handSize = new HandSize(group.out);
    const everyMs = Math.max(20, Math.min(10_000, Math.floor(group.ackWaitMs / 3)));
    this.#keepAlive = new KeepAlive({
      link,
      ackWaitMs: group.ackWaitMs,
      everyMs,
      handlerMs,
      held: this.#held,
      onAwake: (now) => this.#intake.awake(now),
      onAway: (reason) => this.#intake.lose(reason),
      onOvertime: (held, attempt) => this.#overtime(held, attempt),
    });
    this.#acks = new AckBatch({ link, out: group.out, ackWaitMs: group.ackWaitMs });
    this.#burial = new Burial({ link, group, deployment, log: surroundings.log });
    this.#attempts = new EventAttempts({
      group,
      consumer: `${deployment}.${group.name}`,
      surroundings,
      onDone: (held) => this.#done(held),
      onFailed: (held, reason) => this.#again(held, reason),
      onInvalid: (held, message) => void this.#bury(held, { code: "invalid", message }),
      onUnknown: (held) => this.#leave(held),
    });
    this.#lastAttempts = new LastAttempts({
      maxDeliver: group.maxDeliver,
      attempt: (held) => void this.#attemptLast(held),
      giveUp: (held) =>
        void this.#bury(held, {
          code: "unfinished",
          message: `Delivered ${group.maxDeliver} times and never finished: the replica that had it stopped each time.`,
        }),
    });
    this.#intake = new EventIntake({
      link,
      binding,
      group,
      everyMs,
      held: () => this.held,
      room: () => (group.strict ? this.#handSize.room(this.held) : WIDE_REQUEST),
      onDelivery: (delivery) => this.#take(delivery),
      onCollect: () => this.#lastAttempts.beginAgain(),
      onCollected: () => this.#beginAll(),
      onLost: (reason) => this.#drop((held) => held.attempt?.end(reason)),
      onTrouble: (why) =>
        surroundings.log.warn("No events come at the moment; asking again.", { group: group.name, why }),
    });
  }

  /** Events in hand. */
  get held(): number {
    return this.#held.size;
  }

  /** Takes nothing new and finishes what runs; what does not finish in time is left to another replica. */
  async drain(withinMs: number): Promise<void> {
    this.#stopping = true;
    this.#intake.stopTaking();
    if (this.#atWork) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#nothingAtWork = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#giveBackAll();
    await this.#intake.stop();
    this.close();
  }

  /** Ends at once; what is in hand comes again when its ack wait is over. */
  close(): void {
    this.#stopping = true;
    void this.#intake.stop();
    this.#keepAlive.stop();
    this.#acks.flush();
    this.#drop((held) => held.attempt?.end("This replica stops."));
  }

  get #atWork(): boolean {
    return [...this.#held.values()].some(({ attempt }) => attempt !== undefined);
  }

  #take(delivery: Delivery): void {
    const { sequence } = delivery;
    if (this.#handled.has(sequence)) return this.#acks.add(delivery.reply);
    const known = this.#held.get(sequence);
    const now = performance.now();
    if (known !== undefined) {
      // It came again because we were late to say that we have it; from here on we are not.
      known.delivery = delivery;
      known.aliveAt = now;
      return;
    }
    const stored = readStoredSubject(delivery.message.subject);
    // Sent again to another group; it comes here because one filter covers an event and all its replays.
    if (stored.replayedTo !== undefined && stored.replayedTo !== this.#replayToken)
      return this.#acks.add(delivery.reply);
    if (this.#stopping) return this.#giveBack(delivery);
    const { stream } = this.#options.binding;
    const lane = this.#options.group.strict ? "" : stored.subject;
    const held = new HeldEvent(delivery, stored, { stream, lane }, now);
    this.#held.set(sequence, held);
    if (this.#lanes.add(held) && !this.#intake.collecting) this.#begin(held);
  }

  #beginAll(): void {
    this.#begin(...this.#lanes.heads.filter((head) => !head.begun));
    this.#lastAttempts.acquit();
  }

  /** What ends at once lets the next of its lane begin: one after the other, not each inside the one before it. */
  #begin(...heads: readonly HeldEvent[]): void {
    this.#ready.push(...heads);
    if (this.#beginning) return;
    this.#beginning = true;
    for (let held = this.#ready.shift(); held !== undefined; held = this.#ready.shift())
      if (!held.lost) this.#settle(held);
    this.#beginning = false;
    this.#lastAttempts.next();
  }

  /** Its place is settled; it begins at once, or when it is alone. One nobody here handles is not given up here either. */
  #settle(held: HeldEvent): void {
    held.begun = true;
    if (this.#lastAttempts.concerns(held) && this.#attempts.handlerOf(held) !== undefined) this.#lastAttempts.add(held);
    else this.#attempts.begin(held);
  }

  /** First the server hears what is done: a death must not count against what was handled before. */
  async #attemptLast(held: HeldEvent): Promise<void> {
    this.#acks.flush();
    try {
      await this.#options.link.flush();
    } catch {
      // Between two connections: whoever takes over handles again what was not heard of.
    }
    if (!held.lost && !this.#stopping) this.#attempts.begin(held);
  }

  #again(held: HeldEvent, reason: string): void {
    const { group } = this.#options;
    held.failures += 1;
    if (held.failures >= group.maxDeliver) return void this.#bury(held, { code: "failed", message: reason });
    this.#later(held, backoffAfter(group, held.failures), () => this.#attempts.begin(held));
  }

  async #bury(held: HeldEvent, reason: DeadReason): Promise<void> {
    const stored = await this.#burial.bury(held, reason);
    if (held.lost) return;
    if (stored) return this.#done(held);
    this.#later(held, BURY_AGAIN_MS, () => void this.#bury(held, reason));
  }

  /** Once this replica stops nothing more begins: it goes back with the rest. */
  #later(held: HeldEvent, delayMs: number, work: () => void): void {
    if (this.#stopping) return this.#stopped();
    held.wake = setTimeout(() => {
      held.wake = undefined;
      if (!held.lost && !this.#stopping) work();
    }, delayMs);
  }

  #done(held: HeldEvent): void {
    if (held.lost) return;
    const now = performance.now();
    if (now - held.aliveAt > this.#options.group.ackWaitMs)
      return this.#intake.lose("Another replica may have this event: it took too long to say that it is here.");
    const { sequence, reply } = held.delivery;
    this.#acks.add(reply);
    this.#handled.add(sequence);
    if (held.attempt !== undefined) this.#handSize.took(now - held.attempt.startedAt);
    this.#release(held);
    this.#intake.more();
  }

  /**
   * Nobody here handles it. In strict order everything behind it waits, so the turn goes to another replica, which may know it;
   * not so often that it would be delivered as often as allowed. Otherwise it is kept for whoever takes over.
   */
  #leave(held: HeldEvent): void {
    const { group, surroundings } = this.#options;
    surroundings.log.warn("An event came that this version of the contract does not know; it is left to a newer one.", {
      group: group.name,
      subject: held.subject,
    });
    const { deliveries } = held.delivery;
    if (!group.strict || deliveries >= group.maxDeliver - 1) return;
    this.#giveBackAll();
    this.#intake.leaveTurn(turnLeftMs(group, deliveries));
  }

  #giveBackAll(): void {
    this.#drop((held) => {
      held.attempt?.end("This replica stops.");
      this.#giveBack(held.delivery);
    });
  }

  /** Nothing in hand is ours any more. */
  #drop(each: (held: HeldEvent) => void): void {
    const all = [...this.#held.values()];
    // All first, so that none of them begins because another one is gone.
    for (const held of all) {
      held.lost = true;
      this.#lastAttempts.remove(held);
    }
    for (const held of all) {
      each(held);
      this.#release(held);
    }
  }

  #release(held: HeldEvent): void {
    clearTimeout(held.wake);
    held.lost = true;
    held.attempt = undefined;
    this.#held.delete(held.delivery.sequence);
    const next = this.#lanes.remove(held);
    this.#lastAttempts.remove(held);
    if (this.#stopping) return this.#stopped();
    if (next !== undefined && !next.lost && !this.#intake.collecting) this.#begin(next);
    else this.#lastAttempts.next();
  }

  #stopped(): void {
    if (!this.#atWork) this.#nothingAtWork?.();
  }

  #overtime(held: HeldEvent, attempt: HeldAttempt): void {
    const { handlerMs } = this.#options;
    attempt.log.error("The handler of an event takes too long; its attempt counts as failed.", { handlerMs });
    this.#attempts.giveUp(held, attempt, `The handler did not finish within ${handlerMs} ms.`);
  }

  #giveBack({ reply }: Delivery): void {
    try {
      this.#options.link.publish(reply, GIVE_BACK);
    } catch {
      // Unsaid, the event comes again when its ack wait is over.
    }
  }
}
