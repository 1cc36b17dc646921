import { eventTime, headerValues } from "@trellis/client/internal";
import type { Delivery, EventFacts } from "@trellis/client/internal";
import type { StoredEventSubject } from "@trellis/contracts";
import { HEADERS } from "@trellis/protocol";
import type { TracedWork } from "@trellis/telemetry";
import type { CallSurroundings } from "../call.ts";
import type { Log } from "../log.ts";
import type { EventContext } from "./event-handlers.ts";

/** An event this replica has in hand, from its delivery to its acknowledgement. Few handlers ask for its id or its time. */
export class HeldEvent {
  delivery: Delivery;
  /** The subject it was published under, also when it was replayed under another. */
  readonly subject: string;
  readonly replayed: boolean;
  readonly lane: string;
  readonly #stream: string;
  #at: Date | undefined = undefined;
  /** When JetStream last heard that it is in hand, by the monotonic clock. */
  aliveAt: number;
  /** The attempt under way. */
  attempt: HeldAttempt | undefined = undefined;
  /** Attempts made here without giving it back in between. */
  retries = 0;
  /** Not ours any more: nothing is acknowledged. */
  lost = false;
  /** At work, or between two attempts: its place in its lane is settled. */
  begun = false;
  wake: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(delivery: Delivery, stored: StoredEventSubject, place: { stream: string; lane: string }, now: number) {
    this.delivery = delivery;
    this.subject = stored.subject;
    this.replayed = stored.replayedTo !== undefined;
    this.lane = place.lane;
    this.#stream = place.stream;
    this.aliveAt = now;
  }

  /** The same for every delivery, replays included. */
  get id(): string {
    const { message, sequence } = this.delivery;
    const first = (name: string): string => headerValues(message, name)[0] ?? "";
    const original = this.replayed ? first(HEADERS.originalEventId) : "";
    return original || first(HEADERS.eventId) || `${this.#stream}-${sequence}`;
  }

  get at(): Date {
    return (this.#at ??= eventTime(this.delivery.message, Date.now));
  }

  /** 1 for the first time. */
  get attempts(): number {
    return this.delivery.deliveries + this.retries;
  }
}

/** One run of a handler; also the context it sees. Log and signal cost something, so they are made when touched. */
export class HeldAttempt implements EventContext {
  readonly name: string;
  readonly event: unknown;
  readonly consumer: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly traced: TracedWork;
  /** Its outcome counts for nothing any more. */
  over = false;
  readonly #held: HeldEvent;
  readonly #surroundings: CallSurroundings;
  #abort: AbortController | undefined = undefined;
  #reason: string | undefined = undefined;
  #log: Log | undefined = undefined;

  constructor(
    facts: EventFacts,
    consumer: string,
    held: HeldEvent,
    event: unknown,
    traced: TracedWork,
    surroundings: CallSurroundings,
    now: number,
  ) {
    this.name = facts.name;
    this.event = event;
    this.consumer = consumer;
    this.attempt = held.attempts;
    this.startedAt = now;
    this.traced = traced;
    this.#held = held;
    this.#surroundings = surroundings;
  }

  get id(): string {
    return this.#held.id;
  }

  get at(): Date {
    return this.#held.at;
  }

  get subject(): string {
    return this.#held.subject;
  }

  get replayed(): boolean {
    return this.#held.replayed;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(new DOMException(this.#reason, "AbortError"));
    }
    return this.#abort.signal;
  }

  get log(): Log {
    this.#log ??= this.#surroundings.log.child({
      event: this.name,
      consumer: this.consumer,
      id: this.id,
      attempt: this.attempt,
      trace: this.traced.traceId,
    });
    return this.#log;
  }

  get client(): unknown {
    return this.#surroundings.client;
  }

  get deps(): unknown {
    return this.#surroundings.deps;
  }

  /** Asks the handler to stop; what it still answers is not heard. */
  end(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.#reason = reason;
    this.#abort?.abort(new DOMException(reason, "AbortError"));
    this.traced.end(new DOMException(reason, "AbortError"));
  }
}
