import { pause } from "@trellis/client/internal";
import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { EVENT_CONSUMER_DEFAULTS } from "@trellis/contracts";
import type { ConsumerBinding } from "@trellis/contracts";
import { readDelivery } from "./delivery.ts";
import type { Delivery } from "./delivery.ts";

export interface PullerOptions {
  readonly link: Link;
  readonly binding: ConsumerBinding;
  /** How many events one request asks for; how many are out at a time is the consumer's own limit. */
  readonly batch: number;
  /** The consumer serves one replica at a time. */
  readonly pinned: boolean;
  /** How long a reconnected replica that holds nothing leaves the others the first turn. */
  readonly standBackMs: number;
  /** Whether this replica has events in hand. */
  readonly holds: () => boolean;
  /** It is this replica's turn now: what comes next may have been in other hands. */
  readonly onTurn: () => void;
  readonly onDelivery: (delivery: Delivery) => void;
  /** What keeps events from coming, once each time it changes. */
  readonly onTrouble: (why: string) => void;
}

/** A request lives this long: a replica that dies leaves none behind that events could be lost to for longer. */
const EXPIRES_MS = 3_000;
/** Its end should be heard of; when it is not, this much later the next one is sent anyway. */
const GRACE_MS = 1_500;
const LONGEST_PAUSE_MS = 5_000;
const NS_PER_MS = 1_000_000;
const encoder = new TextEncoder();

/**
 * Keeps exactly one request for events open.
 *
 * A consumer that serves one replica at a time gives it an id with the first event; requests carry it until the server
 * says that it is somebody else's turn.
 */
export class Puller {
  readonly #options: PullerOptions;
  readonly #subject: string;
  readonly #subscription: LinkSubscription;
  readonly #stopState: () => void;
  readonly #stopped = new AbortController();
  readonly #ask: string;
  #pin: string | undefined;
  #left = 0;
  #failures = 0;
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PullerOptions) {
    this.#options = options;
    const { link, binding } = options;
    this.#ask = `$JS.API.CONSUMER.MSG.NEXT.${binding.stream}.${binding.consumer}`;
    const { subject, subscription } = link.openPull((message) => this.#receive(message));
    this.#subject = subject;
    this.#subscription = subscription;
    let away = false;
    this.#stopState = link.onState((state) => {
      if (state === "reconnecting") away = true;
      else if (state === "connected" && away) {
        away = false;
        // After a restart the server knows of no turns: whoever has events in hand must be first.
        const standBack = options.pinned && this.#pin === undefined && !options.holds();
        void this.#pullAfter(standBack ? options.standBackMs : 0);
      }
    });
    this.#pull();
  }

  /** Asks for nothing more; what was delivered already has been handed over. */
  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#stopState();
    clearTimeout(this.#timer);
    await this.#subscription.drain();
  }

  #pull(): void {
    if (this.#stopped.signal.aborted) return;
    clearTimeout(this.#timer);
    const { link, batch, pinned } = this.#options;
    this.#left = batch;
    this.#timer = setTimeout(() => this.#pull(), EXPIRES_MS + GRACE_MS);
    if (link.state !== "connected") return;
    const request = {
      batch,
      expires: EXPIRES_MS * NS_PER_MS,
      ...(pinned
        ? { group: EVENT_CONSUMER_DEFAULTS.pinnedGroup, ...(this.#pin === undefined ? {} : { id: this.#pin }) }
        : {}),
    };
    try {
      link.publish(this.#ask, encoder.encode(JSON.stringify(request)), { reply: this.#subject });
    } catch {
      // The connection has just gone; its return, or the timer, asks again.
    }
  }

  async #pullAfter(ms: number): Promise<void> {
    clearTimeout(this.#timer);
    if (await pause(ms, this.#stopped.signal)) this.#pull();
  }

  #receive(message: LinkMessage): void {
    const delivery = readDelivery(message, this.#options.binding);
    if (delivery === undefined) return this.#status(message);
    this.#failures = 0;
    this.#told = "";
    if (this.#options.pinned) this.#notePin(message);
    this.#left -= 1;
    // Before the event is handled: the next ones are on their way meanwhile.
    if (this.#left <= 0) this.#pull();
    this.#options.onDelivery(delivery);
  }

  #notePin({ headers }: LinkMessage): void {
    const pin = headers?.get("Nats-Pin-Id") ?? "";
    if (pin === "" || pin === this.#pin) return;
    this.#pin = pin;
    this.#options.onTurn();
  }

  /** The end of a request; 408 is the usual one. */
  #status({ headers }: LinkMessage): void {
    const code = headers?.code ?? 0;
    if (code === 100 || code === 0 || this.#stopped.signal.aborted) return;
    if (code === 408) {
      this.#failures = 0;
      return this.#pull();
    }
    if (code === 423) {
      // Another replica's turn: ask as one of those who wait.
      this.#pin = undefined;
      return this.#pull();
    }
    const why = code === 503 ? "no stream or consumer answers" : (headers?.description ?? `status ${code}`);
    if (why !== this.#told) this.#options.onTrouble(why);
    this.#told = why;
    this.#failures += 1;
    void this.#pullAfter(Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(this.#failures, 10)));
  }
}
