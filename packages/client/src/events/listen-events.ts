import { escapeEventToken, AuthError, HEADERS } from "@trellis/protocol";
import type { ValidationIssue } from "@trellis/protocol";
import type { LinkMessage, LinkSubscription } from "../link.ts";
import type { EventFacts } from "./event-facts.ts";
import type { EventTransport } from "./event-transport.ts";
import { Recent } from "../recent.ts";
import { eventTime, readEvent } from "./read-event.ts";

/** One event as a live listener hears it. */
export interface LiveEvent<Payload = unknown> {
  readonly event: Payload;
  /** Empty when its publisher gave it none. */
  readonly id: string;
  readonly at: Date;
  readonly subject: string;
}

/** What a listener did not get. Live events are not kept: use a consumer group where none may be missed. */
export type ListenProblem =
  | {
      readonly kind: "invalid";
      readonly id: string;
      readonly subject: string;
      readonly issues: readonly ValidationIssue[];
    }
  | { readonly kind: "slow"; readonly dropped: number }
  | { readonly kind: "interrupted" };

export interface ListenOptions<Params extends string = string> {
  /** Only events whose subject carries these values: `{ status: "placed" }` for a parameter `/status`. */
  readonly where?: { readonly [P in Params]?: string | number | boolean };
  /** Ends the listening. */
  readonly signal?: AbortSignal;
  /** Told of events that do not match their contract, of events dropped because the reader is slow, and of gaps in the connection. */
  readonly onProblem?: (problem: ListenProblem) => void;
  /** Events kept for a slow reader; beyond it the oldest are dropped. Default 1024. */
  readonly buffer?: number;
}

/** Live events, from the call on; iterate them, and leave the loop to end the listening. */
export interface LiveEvents<Payload = unknown> extends AsyncIterableIterator<LiveEvent<Payload>>, AsyncDisposable {
  /** NATS has heard of the subscription: what is published from here on is heard. */
  readonly ready: Promise<void>;
}

const DEFAULT_BUFFER = 1_024;
/** A publisher that got no answer sends again, and listeners hear both: ids of this many events are remembered. */
const REMEMBERED_IDS = 1_024;

/** Subscribes at once, so that nothing published after this call is missed while somebody iterates. */
export function listenToEvents(transport: EventTransport, facts: EventFacts, options: ListenOptions = {}): LiveEvents {
  return new Listener(transport, facts, options);
}

/** The subject of those events whose parameters have these values. */
export function filterSubject(facts: EventFacts, where: ListenOptions["where"] = {}): string {
  const known = facts.template.pointers;
  for (const name of Object.keys(where)) {
    if (!known.includes(`/${name}`)) {
      const all =
        known.length === 0 ? "it has no parameters" : `it has ${known.map((pointer) => pointer.slice(1)).join(", ")}`;
      throw new TypeError(`${facts.name} cannot be filtered by ${name}: ${all}.`);
    }
  }
  return facts.template.template.replaceAll(/\{\/([^{}]*)\}/g, (_, name: string) => {
    const value = Object.hasOwn(where, name) ? where[name] : undefined;
    if (value === undefined) return "*";
    const token = escapeEventToken(String(value));
    if (token === undefined) throw new TypeError(`${JSON.stringify(value)} is no text that a subject could hold.`);
    return token;
  });
}

class Listener implements LiveEvents {
  readonly ready: Promise<void>;
  readonly #transport: EventTransport;
  readonly #facts: EventFacts;
  readonly #options: ListenOptions;
  readonly #subscription: LinkSubscription;
  readonly #stopState: () => void;
  readonly #seen = new Recent<string>(REMEMBERED_IDS);
  #queue: LiveEvent[] = [];
  #dropped = 0;
  #wake: (() => void) | undefined;
  #end: { readonly error: Error | undefined } | undefined;

  constructor(transport: EventTransport, facts: EventFacts, options: ListenOptions) {
    this.#transport = transport;
    this.#facts = facts;
    this.#options = options;
    const { link } = transport;
    this.#subscription = link.subscribe(filterSubject(facts, options.where), {
      onMessage: (message) => this.#receive(message),
      onRefused: () => this.#finish(refused(facts)),
    });
    let interrupted = false;
    this.#stopState = link.onState((state) => {
      if (state === "closed") this.#finish(undefined);
      else if (state === "reconnecting") interrupted = true;
      else if (interrupted) {
        interrupted = false;
        options.onProblem?.({ kind: "interrupted" });
      }
    });
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.ready = link.flush();
    // Whoever does not wait for it hears of a closed link through the iterator.
    this.ready.catch(() => undefined);
    if (options.signal?.aborted === true) this.#finish(undefined);
  }

  async next(): Promise<IteratorResult<LiveEvent, undefined>> {
    for (;;) {
      if (this.#dropped > 0) {
        const dropped = this.#dropped;
        this.#dropped = 0;
        this.#options.onProblem?.({ kind: "slow", dropped });
      }
      const value = this.#queue.shift();
      if (value !== undefined) return { done: false, value };
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<LiveEvent, undefined>> {
    this.#queue = [];
    this.#finish(undefined);
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #receive(message: LinkMessage): void {
    const { subject, data, headers } = message;
    if (this.#end !== undefined) return;
    const id = headers?.get(HEADERS.eventId) ?? "";
    // Every event has an id. What comes without one is no event but an acknowledgement or an answer of JetStream, which
    // anybody can have delivered to any subject; a contract without required members would take it for one.
    if (id === "") {
      const issues = [{ path: "", message: `It carries no ${HEADERS.eventId}, so nobody published it as an event.` }];
      this.#options.onProblem?.({ kind: "invalid", id, subject, issues });
      return;
    }
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const read = readEvent(this.#facts, subject, data);
    if (!read.ok) {
      this.#options.onProblem?.({ kind: "invalid", id, subject, issues: read.issues });
      return;
    }
    if (this.#queue.length >= (this.#options.buffer ?? DEFAULT_BUFFER)) {
      this.#queue.shift();
      this.#dropped += 1;
    }
    const at = eventTime(message, () => this.#transport.clock?.nowMs() ?? Date.now());
    this.#queue.push({ event: read.event, id, at, subject });
    this.#notify();
  }

  readonly #onAbort = (): void => this.#finish(undefined);

  #finish(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#subscription.close();
    this.#stopState();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function refused({ name, contractId, alias }: EventFacts): AuthError {
  return new AuthError("insufficient_permissions", {
    message: `NATS refused to let this participant listen to ${name} of ${contractId} (used as ${alias ?? "itself"}): a capability is missing, an optional use was not accepted, or the change is not in force yet. \`trellis why\` tells which.`,
  });
}
