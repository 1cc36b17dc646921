import type { PreparedEvent } from "@trellis/client";

/** An event that waits to be published. */
export interface WaitingEvent {
  /** Where the repository keeps it. */
  readonly place: string;
  /** Events of one lane are published one after the other, in the order in which they were added. */
  readonly lane: string;
  readonly event: PreparedEvent;
}

/** An event that can never be published as it is. */
export interface ParkedEvent {
  readonly event: PreparedEvent;
  readonly reason: string;
}

export interface OutboxStatus {
  readonly waiting: number;
  readonly parked: number;
  /** When the oldest waiting event was added. */
  readonly oldestAt: Date | undefined;
}

/** Events of a name that whoever asked does not publish. */
export interface StrangeEvents {
  readonly name: string;
  readonly waiting: number;
  /** When the oldest of them was added, as far as is known. */
  readonly oldestAt: Date;
}

/** Who takes events for publishing, and what it can publish. */
export interface Claim {
  readonly holder: string;
  /** Names of events its contract publishes: another version, or another service, may have added others. */
  readonly names: readonly string[];
  readonly limit: number;
  readonly leaseMs: number;
}

/**
 * Where events wait until they are published. Several replicas share one.
 *
 * 1. An event is there if, and only if, the transaction that added it was committed.
 * 2. What one replica has claimed, no other gets before the lease is over, nor anything else of the same lane.
 * 3. Nothing leaves but by `sent` and `drop`.
 */
export interface OutboxRepository {
  /** Gives the oldest events that nobody else holds to `holder`, in their order. */
  claim(claim: Claim): Promise<readonly WaitingEvent[]>;
  /** Holds what `holder` has for so long from now. */
  renew(holder: string, leaseMs: number): Promise<void>;
  /** Storage has them. */
  sent(events: readonly WaitingEvent[]): Promise<void>;
  /** Puts one aside that can never be published; what was added after it goes on. */
  park(event: WaitingEvent, reason: string): Promise<void>;
  /** Gives back whatever `holder` has. */
  release(holder: string): Promise<void>;
  /** Calls `wake` when something may have been added, as soon as it can tell, until the signal aborts. */
  watch(wake: () => void, signal: AbortSignal): void;
  status(): Promise<OutboxStatus>;
  /** What waits and has none of these names. */
  strangers(names: readonly string[]): Promise<readonly StrangeEvents[]>;
  /** Puts aside whatever waits under a name; answers how many. For a name that no version publishes any more. */
  parkNamed(name: string): Promise<number>;
  /** Those put aside, oldest first. */
  parked(limit?: number): Promise<readonly ParkedEvent[]>;
  /** Lets an event that was put aside wait again; `false` when there is none with this id. */
  retry(id: string): Promise<boolean>;
  /** Forgets an event that was put aside. */
  drop(id: string): Promise<boolean>;
}

/** One event as one consumer knows it. */
export interface HandledEvent {
  /** `<deployment>.<group>` */
  readonly consumer: string;
  readonly name: string;
  readonly id: string;
}

/** Remembers which events were handled, in the transaction that holds what the handler did. */
export interface InboxRepository<Tx> {
  /** Commits what `work` did, or undoes it when it throws. */
  transaction<T>(work: (tx: Tx) => T | Promise<T>): T | Promise<T>;
  /** `false` when it was remembered before; waits for a transaction that is just doing so. */
  remember(tx: Tx, event: HandledEvent): boolean | Promise<boolean>;
  /** Forgets at most `limit` events handled before this time; answers how many. */
  forget(before: Date, limit: number): Promise<number>;
}

/** More events wait than the outbox may hold: the transaction that wanted to add another should not happen. */
export class OutboxFull extends Error {
  override readonly name = "OutboxFull";
  readonly code = "outbox_full";

  constructor(waiting: number, limit: number) {
    super(
      `The outbox holds ${waiting} events that are not published yet; ${limit} is the limit. Publishing has stopped: look at the log of the service and at \`trellis status\`.`,
    );
  }
}
