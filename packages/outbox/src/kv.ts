import type { PreparedEvent } from "@trellis/client";
import { pause } from "@trellis/client/internal";
import type { EventContext, Kv } from "@trellis/server";
import { Type } from "typebox";
import { INBOX_LIMITS, OUTBOX_LIMITS } from "./limits.ts";
import { OutboxFull } from "./repository.ts";
import type { Claim, OutboxRepository, OutboxStatus, ParkedEvent, StrangeEvents, WaitingEvent } from "./repository.ts";
import { NOT_PUBLISHED } from "./tell-strangers.ts";

/** The schema of `outbox`, a member a value needs to hold the events that were added with it. */
export const WaitingEvents = Type.Optional(
  Type.Array(
    Type.Object({
      name: Type.String(),
      id: Type.String(),
      subject: Type.String(),
      body: Type.String(),
      headers: Type.Record(Type.String(), Type.String()),
      parked: Type.Optional(Type.String()),
    }),
  ),
);

/** The schema of `handled`, a member a value needs to remember the events that changed it. */
export const HandledEvents = Type.Optional(Type.Array(Type.String()));

/** What is kept of an event in a value. */
export interface KeptEvent extends PreparedEvent {
  /** Why it can never be published. */
  readonly parked?: string;
}

/** A value that can hold events, or remember them, or both. */
export interface EventfulValue {
  readonly outbox?: readonly KeptEvent[];
  readonly handled?: readonly string[];
}

/** Makes the next value of a key; `add` takes the events that are published when it is stored. */
export type Change<V> = (value: V | undefined, add: (...events: readonly PreparedEvent[]) => void) => V;

export interface KvRepositoryOptions {
  /** How long an event may wait before a replica that did not add it publishes it: the one that did may have died. */
  readonly takeOverMs?: number;
}

/**
 * Outbox and inbox in the values of a bucket: a key and its events are one value, so one write stores both or neither.
 * The events of a key are published in their order.
 */
export function kvRepository<V extends EventfulValue>(kv: Kv<V>, options: KvRepositoryOptions = {}): KvRepository<V> {
  return new KvRepository(kv, options.takeOverMs ?? 5_000);
}

/** What waits in one key, as this process knows it. */
interface WaitingKey {
  readonly events: readonly KeptEvent[];
  readonly revision: number;
  /** This process wrote it: nobody else publishes it before long. */
  readonly own: boolean;
  /** When we heard of its oldest event, by the monotonic clock. */
  readonly since: number;
}

export class KvRepository<V extends EventfulValue> implements OutboxRepository {
  readonly #kv: Kv<V>;
  readonly #takeOverMs: number;
  readonly #keys = new Map<string, WaitingKey>();
  readonly #wakers = new Set<() => void>();

  constructor(kv: Kv<V>, takeOverMs: number) {
    this.#kv = kv;
    this.#takeOverMs = takeOverMs;
  }

  /** Stores the next value of a key with its events; `change` is asked again when somebody else was quicker. */
  async change(key: string, change: Change<V>): Promise<void> {
    await this.#update(key, (value) => changed(value, change));
    for (const wake of this.#wakers) wake();
  }

  /** The same as the effect of an event, once: a value that remembers the event stays as it is. */
  async once(context: Pick<EventContext, "consumer" | "name" | "id">, key: string, change: Change<V>): Promise<void> {
    const mark = `${context.consumer} ${context.name} ${context.id}`;
    await this.change(key, (value, add) => {
      const handled = value?.handled ?? [];
      if (value !== undefined && handled.includes(mark)) return value;
      return { ...change(value, add), handled: [...handled, mark].slice(-INBOX_LIMITS.keptPerKey) };
    });
  }

  watch(wake: () => void, signal: AbortSignal): void {
    this.#wakers.add(wake);
    signal.addEventListener("abort", () => this.#wakers.delete(wake), { once: true });
    void this.#follow(signal);
  }

  async claim({ names, limit }: Claim): Promise<readonly WaitingEvent[]> {
    const claimed: WaitingEvent[] = [];
    for (const [key, known] of [...this.#keys]) {
      if (claimed.length >= limit) break;
      let { events } = known;
      if (!known.own) {
        if (performance.now() - known.since < this.#takeOverMs) continue;
        // Whoever added them may have published them since we heard of them.
        const entry = await this.#kv.get(key, { fresh: true }).orThrow();
        events = entry === undefined ? [] : waitingIn(entry.value);
        if (events.length === 0) this.#keys.delete(key);
      }
      for (const event of events) {
        if (!names.includes(event.name)) break;
        claimed.push({ place: key, lane: key, event });
      }
    }
    return claimed.slice(0, limit);
  }

  /** Nothing is held: who added an event publishes it, and others only when it waits for too long. */
  async renew(): Promise<void> {}

  async release(): Promise<void> {}

  async sent(events: readonly WaitingEvent[]): Promise<void> {
    for (const [key, ofKey] of Map.groupBy(events, ({ place }) => place)) {
      const ids = new Set(ofKey.map(({ event }) => event.id));
      await this.#rewrite(key, (kept) => kept.filter(({ id }) => !ids.has(id)));
    }
  }

  async park({ place, event }: WaitingEvent, reason: string): Promise<void> {
    await this.#rewrite(place, (kept) =>
      kept.map((each) => (each.id === event.id ? { ...each, parked: reason } : each)),
    );
  }

  async status(): Promise<OutboxStatus> {
    const entries = await this.#kv.entries().orThrow();
    const waiting = entries.filter(({ value }) => waitingIn(value).length > 0);
    const oldest = Math.min(...waiting.map(({ at }) => at.getTime()));
    return {
      waiting: waiting.reduce((sum, { value }) => sum + waitingIn(value).length, 0),
      parked: entries.reduce((sum, { value }) => sum + parkedIn(value).length, 0),
      oldestAt: waiting.length === 0 ? undefined : new Date(oldest),
    };
  }

  /** As far as this process has heard of the values. */
  async strangers(names: readonly string[]): Promise<readonly StrangeEvents[]> {
    const now = performance.now();
    const waiting = [...this.#keys.values()].flatMap(({ events, since }) =>
      events.filter(({ name }) => !names.includes(name)).map(({ name }) => ({ name, since })),
    );
    return [...Map.groupBy(waiting, ({ name }) => name)].map(([name, all]) => ({
      name,
      waiting: all.length,
      oldestAt: new Date(Date.now() - (now - Math.min(...all.map(({ since }) => since)))),
    }));
  }

  async parkNamed(name: string): Promise<number> {
    let count = 0;
    for (const { key, value } of await this.#kv.entries().orThrow()) {
      const isMeant = (event: KeptEvent): boolean => event.name === name && event.parked === undefined;
      if (!(value.outbox ?? []).some(isMeant)) continue;
      let ofKey = 0;
      await this.#rewrite(key, (kept) => {
        ofKey = kept.filter(isMeant).length;
        return kept.map((event) => (isMeant(event) ? { ...event, parked: NOT_PUBLISHED } : event));
      });
      count += ofKey;
    }
    for (const wake of this.#wakers) wake();
    return count;
  }

  async parked(limit = 100): Promise<readonly ParkedEvent[]> {
    const entries = await this.#kv.entries().orThrow();
    return entries
      .flatMap(({ value }) => parkedIn(value))
      .slice(0, limit)
      .map(({ parked = "", ...event }) => ({ event, reason: parked }));
  }

  retry(id: string): Promise<boolean> {
    return this.#rewriteParked(id, (event) => [withoutReason(event)]);
  }

  drop(id: string): Promise<boolean> {
    return this.#rewriteParked(id, () => []);
  }

  async #rewriteParked(id: string, change: (event: KeptEvent) => readonly KeptEvent[]): Promise<boolean> {
    const entries = await this.#kv.entries().orThrow();
    const holder = entries.find(({ value }) => parkedIn(value).some((event) => event.id === id));
    if (holder === undefined) return false;
    await this.#rewrite(holder.key, (kept) =>
      kept.flatMap((event) => (event.id === id && event.parked !== undefined ? change(event) : [event])),
    );
    for (const wake of this.#wakers) wake();
    return true;
  }

  /** Changes what a key holds of events and nothing else; a key that is gone has none. */
  async #rewrite(key: string, change: (kept: readonly KeptEvent[]) => readonly KeptEvent[]): Promise<void> {
    const next = await this.#update(key, (value) =>
      value === undefined ? undefined : { ...value, outbox: change(value.outbox ?? []) },
    );
    if (next === undefined) this.#keys.delete(key);
  }

  /** Reads, changes and stores, again when somebody else was quicker. */
  async #update(key: string, make: (value: V | undefined) => V | undefined): Promise<V | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const entry = await this.#kv.get(key, { fresh: attempt > 1 }).orThrow();
      const next = make(entry?.value);
      if (next === undefined || next === entry?.value) return next;
      const written =
        entry === undefined ? await this.#kv.create(key, next) : await this.#kv.update(key, next, entry.revision);
      if (written.ok) {
        this.#note(key, next, written.value.revision, true);
        return next;
      }
      const { code } = written.error;
      if ((code !== "conflict" && code !== "not_found") || attempt >= MOST_ATTEMPTS) throw written.error;
      await pause(Math.random() * 5 * attempt);
    }
  }

  /** Hears of what other replicas store, and of what was there before. */
  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const change of this.#kv.watch(">", { signal })) {
          if (change.type === "put") this.#note(change.key, change.value, change.revision, false);
          else if (change.type === "end") this.#keys.delete(change.key);
        }
      } catch {
        // The bucket cannot be read at the moment; what we add ourselves is published anyway.
      }
      await pause(WATCH_AGAIN_MS, signal);
    }
  }

  #note(key: string, value: V, revision: number, own: boolean): void {
    const known = this.#keys.get(key);
    if (known !== undefined && known.revision > revision) return;
    const events = waitingIn(value);
    if (events.length === 0) {
      this.#keys.delete(key);
      return;
    }
    // Somebody else's write leaves our events in it: they are still ours to publish.
    const still = known !== undefined && events.some(({ id }) => id === known.events[0]?.id);
    const isOwn = own || (still && known.own);
    this.#keys.set(key, { events, revision, own: isOwn, since: still ? known.since : performance.now() });
  }
}

/** Others who write the same key may be quicker this often. */
const MOST_ATTEMPTS = 100;
const WATCH_AGAIN_MS = 1_000;

function changed<V extends EventfulValue>(value: V | undefined, change: Change<V>): V {
  const added: PreparedEvent[] = [];
  const next = change(value, (...events) => void added.push(...events));
  const kept = value?.outbox ?? [];
  if (added.length === 0 && next === value) return next;
  if (kept.length + added.length > OUTBOX_LIMITS.maxWaitingPerKey)
    throw new OutboxFull(kept.length, OUTBOX_LIMITS.maxWaitingPerKey);
  return { ...next, outbox: [...kept, ...added] };
}

function waitingIn(value: EventfulValue): readonly KeptEvent[] {
  return (value.outbox ?? []).filter(({ parked }) => parked === undefined);
}

function parkedIn(value: EventfulValue): readonly KeptEvent[] {
  return (value.outbox ?? []).filter(({ parked }) => parked !== undefined);
}

/** It waits again, like one that was never put aside. */
function withoutReason(event: KeptEvent): KeptEvent {
  const waiting: { -readonly [M in keyof KeptEvent]: KeptEvent[M] } = { ...event };
  delete waiting.parked;
  return waiting;
}
