import { headerValues, Puller, readEvent, Recent } from "@trellis/client/internal";
import type { Delivery, Link } from "@trellis/client/internal";
import { EVENT_CONSUMER_DEFAULTS, readStoredSubject, replayToken, TrellisError } from "@trellis/contracts";
import type { ConsumerBinding } from "@trellis/contracts";
import { HEADERS } from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import type { CallSurroundings } from "../call.ts";
import { AckBatch } from "./ack-batch.ts";
import { backoffAfter, eventOf } from "./consumer-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { buryEvent } from "./dead-letter.ts";
import type { DeadReason } from "./dead-letter.ts";
import { HeldAttempt, HeldEvent } from "./held-event.ts";
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

const encoder = new TextEncoder();
const WORKING = encoder.encode("+WPI");
const NS_PER_MS = 1_000_000;
/** A replica of an older contract leaves what it does not know to a newer one. */
const UNKNOWN_EVENT_MS = 5_000;
const LONGEST_UNKNOWN_MS = 60_000;
/** Between tries to put an event aside. */
const BURY_AGAIN_MS = 2_000;
/** Handled events that are remembered, in case their acknowledgement got lost. */
const REMEMBERED = 4_096;
/** What was out comes at once; if nothing new follows it, this is how long to wait for the rest. */
const COLLECT_MS = 500;
/** How many are out is the consumer's own limit; a long request saves the pause between two. */
const STRICT_BATCH = 64;
const CONCURRENT_BATCH = 4_096;
const REQUEST_MS = 3_000;

/**
 * Handles the events of one consumer group in one replica.
 *
 * 1. JetStream lets `concurrency` events be out at a time, over all replicas. With 1 that alone is strict order.
 *    With more only one replica is served (see `Puller`), and it handles events of one subject one after the other.
 * 2. An event in hand is said to be alive every third of the ack wait. Not having said so for a whole ack wait means
 *    another replica may have it: its handler's signal aborts, and nothing more is said about it.
 * 3. An event is acknowledged when its handler has succeeded or when a dead letter is stored, never otherwise.
 * 4. Whoever takes over gets what was out first, but in no certain order: all of it is collected and sorted before
 *    anything begins. The first event that was never delivered before says that there is no more of it.
 * 5. A failed event is given back with a delay. With more than one out it stays in hand through the delay instead:
 *    given back, a later event of its subject could overtake it in another replica.
 * 6. One that was delivered as often as allowed is handled alone, so that one which kills the process is found (see
 *    `LastAttempts`).
 */
export class GroupRunner {
  readonly #options: GroupRunnerOptions;
  readonly #held = new Map<number, HeldEvent>();
  readonly #lanes = new Lanes();
  readonly #handled = new Recent<number>(REMEMBERED);
  readonly #replayToken: string;
  readonly #consumer: string;
  readonly #puller: Puller;
  readonly #acks: AckBatch;
  readonly #lastAttempts: LastAttempts;
  readonly #keepAlive: ReturnType<typeof setInterval>;
  #stopping = false;
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #aliveAt: number;
  #idle: (() => void) | undefined;

  constructor(options: GroupRunnerOptions) {
    this.#options = options;
    const { link, group, binding, deployment, surroundings } = options;
    this.#replayToken = replayToken(deployment, group.name);
    this.#consumer = `${deployment}.${group.name}`;
    this.#aliveAt = performance.now();
    const everyMs = Math.max(20, Math.min(10_000, Math.floor(group.ackWaitMs / 3)));
    this.#keepAlive = setInterval(() => this.#sayAlive(), everyMs);
    this.#acks = new AckBatch({ link, out: group.concurrency, ackWaitMs: group.ackWaitMs });
    this.#lastAttempts = new LastAttempts({
      maxDeliver: group.maxDeliver,
      strict: this.#strict,
      attempt: (held) => this.#attempt(held),
      giveUp: (held) =>
        void this.#bury(held, {
          code: "unfinished",
          message: `Delivered ${group.maxDeliver} times and never finished: the replica that had it stopped each time.`,
        }),
    });
    this.#puller = new Puller({
      link,
      binding,
      free: () => (this.#strict ? STRICT_BATCH : CONCURRENT_BATCH),
      enough: 1,
      expiresMs: REQUEST_MS,
      ...(this.#strict
        ? {}
        : {
            pinned: {
              group: EVENT_CONSUMER_DEFAULTS.pinnedGroup,
              standBackMs: group.ackWaitMs + everyMs,
              holds: () => this.#held.size > 0,
              onTurn: () => this.#collect(),
            },
          }),
      onDelivery: (delivery) => this.#take(delivery),
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
    await this.#puller.stop();
    // What has not begun goes back first, so that another replica may begin it.
    for (const held of this.#held.values()) if (held.attempt === undefined) this.#giveBack(held, 1);
    if (this.#held.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.#idle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const held of this.#held.values()) {
      held.attempt?.end("This replica stops.");
      this.#giveBack(held, 1_000);
    }
    this.close();
  }

  /** Ends at once; what is in hand comes again when its ack wait is over. */
  close(): void {
    this.#stopping = true;
    void this.#puller.stop();
    clearInterval(this.#keepAlive);
    clearTimeout(this.#collecting);
    this.#acks.flush();
    for (const held of this.#held.values()) this.#lose(held, "This replica stops.");
  }

  get #strict(): boolean {
    return this.#options.group.concurrency <= 1;
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
    const { stream } = this.#options.binding;
    const held = new HeldEvent(delivery, stored, { stream, lane: this.#strict ? "" : stored.subject }, now);
    if (this.#stopping) return this.#say(delivery.reply, nak(1));
    this.#held.set(sequence, held);
    if (delivery.deliveries === 1) this.#beginAll();
    const isHead = this.#lanes.add(held);
    if (this.#collecting !== undefined && this.#held.size >= this.#options.group.concurrency) this.#beginAll();
    if (this.#collecting === undefined && isHead && !held.begun) this.#begin(held);
  }

  /** What somebody had in hand comes to us next. */
  #collect(): void {
    if (this.#strict || this.#stopping) return;
    this.#lastAttempts.beginAgain();
    clearTimeout(this.#collecting);
    this.#collecting = setTimeout(() => this.#beginAll(), COLLECT_MS);
  }

  #beginAll(): void {
    if (this.#collecting === undefined) return;
    clearTimeout(this.#collecting);
    this.#collecting = undefined;
    if (this.#stopping) return;
    for (const head of this.#lanes.heads) if (!head.begun) this.#settle(head);
    this.#lastAttempts.next();
  }

  #begin(held: HeldEvent): void {
    this.#settle(held);
    this.#lastAttempts.next();
  }

  /** Its place is settled; it begins at once, or when it is alone. One nobody here handles is not given up here either. */
  #settle(held: HeldEvent): void {
    held.begun = true;
    if (this.#lastAttempts.concerns(held) && this.#handlerOf(held) !== undefined) this.#lastAttempts.add(held);
    else this.#attempt(held);
  }

  #handlerOf({ subject }: HeldEvent) {
    const { group } = this.#options;
    const facts = eventOf(group, subject);
    const handler = facts === undefined ? undefined : group.handlerOf?.(facts.name);
    return facts === undefined || handler === undefined ? undefined : { facts, handler };
  }

  #attempt(held: HeldEvent): void {
    const { group, surroundings } = this.#options;
    const { message } = held.delivery;
    const handled = this.#handlerOf(held);
    if (handled === undefined) {
      surroundings.log.warn(
        "An event came that this version of the contract does not know; it is left to a newer one.",
        {
          group: group.name,
          subject: held.subject,
        },
      );
      return this.#leave(held);
    }
    const { facts, handler } = handled;
    const read = readEvent(facts, held.subject, message.data);
    if (!read.ok) {
      const [first] = read.issues;
      const where = first === undefined || first.path === "" ? "the event" : first.path;
      return void this.#bury(held, {
        code: "invalid",
        message: `The event does not match ${facts.name} as this service knows it: ${where}: ${first?.message ?? "does not match"}.`,
      });
    }
    const traced = startServerSpan(
      { name: facts.name, surface: "event", contractId: facts.contractId },
      { get: (name) => headerValues(message, name)[0] },
    );
    const attempt = new HeldAttempt(facts, this.#consumer, held, read.event, traced, surroundings, performance.now());
    held.attempt = attempt;
    this.#run(held, attempt, handler);
  }

  #run(held: HeldEvent, attempt: HeldAttempt, handler: (context: HeldAttempt) => unknown): void {
    const { runInside } = this.#options.surroundings;
    const body = (): unknown => handler(attempt);
    let result: unknown;
    try {
      result = attempt.traced.run(runInside === undefined ? body : () => runInside(attempt.traced.context, body));
    } catch (thrown) {
      return this.#failed(held, attempt, thrown);
    }
    if (!isPromiseLike(result)) return this.#outcome(held, attempt, result);
    result.then(
      (value) => this.#outcome(held, attempt, value),
      (thrown: unknown) => this.#failed(held, attempt, thrown),
    );
  }

  #outcome(held: HeldEvent, attempt: HeldAttempt, result: unknown): void {
    if (result === undefined) return this.#succeeded(held, attempt);
    if (typeof result === "object" && result !== null && "ok" in result) {
      if (result.ok === true) return this.#succeeded(held, attempt);
      return this.#failed(held, attempt, "error" in result ? result.error : undefined);
    }
    this.#failed(held, attempt, new TypeError("The handler returned something that is neither nothing nor a Result."));
  }

  #succeeded(held: HeldEvent, attempt: HeldAttempt): void {
    if (attempt.over) return;
    attempt.over = true;
    attempt.traced.end();
    this.#done(held);
  }

  #failed(held: HeldEvent, attempt: HeldAttempt, error: unknown): void {
    if (attempt.over) return;
    const reason = this.#explain(attempt, error);
    attempt.over = true;
    attempt.traced.end(error);
    this.#again(held, reason);
  }

  #again(held: HeldEvent, reason: string): void {
    const { group } = this.#options;
    held.attempt = undefined;
    if (held.attempts >= group.maxDeliver) return void this.#bury(held, { code: "failed", message: reason });
    const delayMs = backoffAfter(group, held.attempts);
    if (this.#strict || this.#stopping) return this.#giveBack(held, delayMs);
    held.retries += 1;
    this.#later(held, delayMs, () => this.#attempt(held));
  }

  /** What an operator reads beside the event. Of what nobody foresaw only the id under which the log has it. */
  #explain(attempt: HeldAttempt, error: unknown): string {
    if (error instanceof TrellisError) {
      attempt.log.warn("An event was not handled.", { reason: error.message });
      return `${error.name}: ${error.message}`;
    }
    const id = globalThis.crypto.randomUUID();
    attempt.log.error("The handler of an event failed.", { id, error });
    return `The handler failed unexpectedly. The service's log has the details under ${id}.`;
  }

  async #bury(held: HeldEvent, reason: DeadReason): Promise<void> {
    const { link, group, deployment, surroundings } = this.#options;
    const { sequence, message } = held.delivery;
    const stored = await buryEvent(link, {
      deployment,
      group: group.name,
      sequence,
      subject: held.subject,
      id: held.id,
      at: held.at,
      attempts: Math.min(held.attempts, group.maxDeliver),
      payload: message.data,
      traceparent: headerValues(message, HEADERS.traceparent)[0] || undefined,
      reason,
    });
    if (held.lost) return;
    const fields = { group: group.name, id: held.id, subject: held.subject, reason: reason.message };
    if (stored.ok) {
      surroundings.log.error("An event is a dead letter now.", fields);
      return this.#done(held);
    }
    surroundings.log.error("An event that cannot be handled could not be put aside either; trying again.", {
      ...fields,
      error: stored.error.message,
    });
    if (this.#strict || this.#stopping) return this.#giveBack(held, BURY_AGAIN_MS);
    this.#later(held, BURY_AGAIN_MS, () => void this.#bury(held, reason));
  }

  #later(held: HeldEvent, delayMs: number, work: () => void): void {
    held.wake = setTimeout(() => {
      held.wake = undefined;
      if (!held.lost) work();
    }, delayMs);
  }

  #done(held: HeldEvent): void {
    if (held.lost) return;
    if (performance.now() - held.aliveAt > this.#options.group.ackWaitMs)
      return this.#lose(held, "Another replica has this event.");
    const { sequence, reply } = held.delivery;
    this.#acks.add(reply);
    this.#handled.add(sequence);
    this.#release(held);
  }

  /**
   * Nobody here handles it. Given back it would come here again, each time one delivery nearer to the last, unless only one is out
   * at a time; otherwise it is kept for whoever takes over.
   */
  #leave(held: HeldEvent): void {
    if (this.#strict) this.#giveBack(held, Math.min(LONGEST_UNKNOWN_MS, UNKNOWN_EVENT_MS * 2 ** (held.attempts - 1)));
  }

  #giveBack(held: HeldEvent, delayMs: number): void {
    this.#say(held.delivery.reply, nak(delayMs));
    this.#release(held);
  }

  #release(held: HeldEvent): void {
    clearTimeout(held.wake);
    held.lost = true;
    this.#held.delete(held.delivery.sequence);
    const next = this.#lanes.remove(held);
    if (next !== undefined && !this.#stopping && this.#collecting === undefined) this.#begin(next);
    this.#lastAttempts.remove(held);
    if (!this.#stopping) this.#lastAttempts.next();
    if (this.#held.size === 0) this.#idle?.();
  }

  /** Somebody else may have it by now. */
  #lose(held: HeldEvent, reason: string): void {
    held.attempt?.end(reason);
    this.#release(held);
  }

  #sayAlive(): void {
    const now = performance.now();
    const { link, group, handlerMs } = this.#options;
    if (link.state !== "connected") return;
    const late = now - this.#aliveAt > group.ackWaitMs;
    this.#aliveAt = now;
    // All first, so that nothing of a lane begins while later ones of it are about to be lost as well.
    const lost = [...this.#held.values()].filter((held) => now - held.aliveAt > group.ackWaitMs);
    if (late || lost.length > 0) this.#collect();
    for (const held of lost.toReversed())
      this.#lose(held, "Another replica may have this event: we were away for too long.");
    for (const held of this.#held.values()) {
      const { attempt } = held;
      if (attempt !== undefined && !attempt.over && now - attempt.startedAt > handlerMs) {
        attempt.log.error("The handler of an event takes too long; its attempt counts as failed.", { handlerMs });
        attempt.end("The handler took too long.");
        this.#again(held, `The handler did not finish within ${handlerMs} ms.`);
        if (held.lost) continue;
      }
      held.aliveAt = now;
      this.#say(held.delivery.reply, WORKING);
    }
  }

  #say(reply: string, what: Uint8Array): void {
    try {
      this.#options.link.publish(reply, what);
    } catch {
      // Unsaid, the event comes again when its ack wait is over.
    }
  }
}

function nak(delayMs: number): Uint8Array {
  return encoder.encode(`-NAK {"delay": ${Math.max(1, Math.round(delayMs)) * NS_PER_MS}}`);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
