import { consumedEvents } from "@trellis/client/internal";
import type { EventFacts } from "@trellis/client/internal";
import { EVENT_CONSUMER_DEFAULTS, eventsOut } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import type { AnyEventHandler } from "./event-handlers.ts";

/** One consumer group of a contract, and who handles its events. */
export interface ConsumerGroup {
  readonly name: string;
  readonly events: ReadonlyMap<string, EventFacts>;
  /** All events one after the other, over all replicas; otherwise those of one subject. */
  readonly strict: boolean;
  /** How many are out at a time. */
  readonly out: number;
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
  readonly backoffMs: readonly number[];
  handlerOf: ((event: string) => AnyEventHandler | undefined) | undefined;
}

/** The consumer groups of a contract. */
export function consumerGroups(contract: AnyContract): ReadonlyMap<string, ConsumerGroup> {
  const groups = new Map<string, ConsumerGroup>();
  for (const [name, consumer] of Object.entries(contract.manifest.eventConsumers ?? {})) {
    const { concurrency } = consumer;
    groups.set(name, {
      name,
      events: consumedEvents(contract, name),
      strict: concurrency <= 1,
      out: eventsOut(concurrency),
      ackWaitMs: consumer.ackWaitMs ?? EVENT_CONSUMER_DEFAULTS.ackWaitMs,
      maxDeliver: consumer.maxDeliver ?? EVENT_CONSUMER_DEFAULTS.maxDeliver,
      backoffMs: consumer.backoffMs ?? EVENT_CONSUMER_DEFAULTS.backoffMs,
      handlerOf: undefined,
    });
  }
  return groups;
}

/** The event of a group that is published under this subject. */
export function eventOf(group: ConsumerGroup, subject: string): EventFacts | undefined {
  for (const facts of group.events.values()) {
    if (facts.matches(subject)) return facts;
  }
  return undefined;
}

/** How long to wait after this attempt failed; the last pause is repeated. */
export function backoffAfter(group: ConsumerGroup, attempt: number): number {
  const { backoffMs } = group;
  return backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 1_000;
}

const UNKNOWN_EVENT_MS = 5_000;
const LONGEST_UNKNOWN_MS = 60_000;

/** How long a replica of an older contract leaves its turn to a newer one: until that can have it, and longer each time. */
export function turnLeftMs({ ackWaitMs }: ConsumerGroup, deliveries: number): number {
  const longer = Math.min(LONGEST_UNKNOWN_MS, UNKNOWN_EVENT_MS * 2 ** (deliveries - 1));
  return ackWaitMs + EVENT_CONSUMER_DEFAULTS.takeOverMarginMs + longer;
}
