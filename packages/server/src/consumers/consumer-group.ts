import { consumedEvents } from "@trellis/client/internal";
import type { EventFacts } from "@trellis/client/internal";
import { EVENT_CONSUMER_DEFAULTS } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import type { AnyEventHandler } from "./event-handlers.ts";

/** One consumer group of a contract, and who handles its events. */
export interface ConsumerGroup {
  readonly name: string;
  readonly events: ReadonlyMap<string, EventFacts>;
  /** Events of one subject stay in order at any concurrency; with 1 all of them do, over all replicas. */
  readonly concurrency: number;
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
      concurrency,
      ackWaitMs: consumer.ackWaitMs ?? EVENT_CONSUMER_DEFAULTS[concurrency > 1 ? "concurrentAckWaitMs" : "ackWaitMs"],
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
