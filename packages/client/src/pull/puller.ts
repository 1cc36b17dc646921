import type { ConsumerBinding } from "@trellis/contracts";
import type { Link, LinkMessage, LinkSubscription } from "../link.ts";
import { headerValues } from "../received-message.ts";
import { deliveryReader } from "./delivery.ts";
import type { Delivery } from "./delivery.ts";

export interface PullerOptions {
  readonly link: Link;
  readonly binding: ConsumerBinding;
  /** How many more the owner could take now; one request asks for all of them. */
  readonly free: () => number;
  /** Asks as soon as this many could be taken, otherwise after a moment: one request for several is cheaper. */
  readonly enough: number;
  /** A request lives this long: a replica that dies leaves none behind that could swallow something for longer. */
  readonly expiresMs: number;
  /** The consumer serves one replica at a time. */
  readonly pinned?: PinnedOptions;
  readonly onDelivery: (delivery: Delivery) => void;
  /** What keeps messages from coming, once each time it changes. */
  readonly onTrouble: (why: string) => void;
}

export interface PinnedOptions {
  /** The priority group of the consumer. */
  readonly group: string;
  /** How long a reconnected replica that holds nothing leaves the others the first turn. */
  readonly standBackMs: number;
  /** Whether this replica has something in hand. */
  readonly holds: () => boolean;
  /** It is this replica's turn now: what comes next may have been in other hands. */
  readonly onTurn: () => void;
}

/** The end of a request should be heard of; when it is not, this much later the next one is sent anyway. */
const GRACE_MS = 1_000;
const GATHER_MS = 2;
const LONGEST_PAUSE_MS = 5_000;
const NS_PER_MS = 1_000_000;
const encoder = new TextEncoder();
const GIVE_BACK = encoder.encode("-NAK");

/**
 * Takes from a pull consumer: at most one request is open, for as many messages as the owner could take, so nothing has
 * to wait here while another replica is free.
 *
 * A consumer that serves one replica at a time gives it an id with the first message; requests carry it until the server
 * says that it is somebody else's turn.
 */
export class Puller {
  readonly #options: PullerOptions;
  readonly #read: ReturnType<typeof deliveryReader>;
  readonly #ask: string;
  readonly #subject: string;
  readonly #subscription: LinkSubscription;
  readonly #stops: readonly (() => void)[];
  /** Settled, once the owner stops, when no request is open. */
  readonly #requestOver = Promise.withResolvers<void>();
  #stopped = false;
  #pin: string | undefined;
  /** What is still to come of the open request; 0 when there is none. */
  #left = 0;
  #quietSince = 0;
  #failures = 0;
  #told = "";
  #resting = false;
  /** Asks again: after a rest, or when the end of a request was not heard. */
  #again: ReturnType<typeof setTimeout> | undefined;
  #gather: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PullerOptions) {
    this.#options = options;
    const { link, binding, pinned } = options;
    this.#read = deliveryReader(binding);
    this.#ask = `$JS.API.CONSUMER.MSG.NEXT.${binding.stream}.${binding.consumer}`;
    const { subject, subscription } = link.openPull((message) => this.#receive(message));
    this.#subject = subject;
    this.#subscription = subscription;
    let away = link.state !== "connected";
    this.#stops = [
      link.onState((state) => {
        if (state === "reconnecting") away = true;
        else if (state === "connected" && away) {
          away = false;
          // After a restart the server knows of no turns: whoever has something in hand must be first.
          if (pinned !== undefined && this.#pin === undefined && !pinned.holds()) this.#rest(pinned.standBackMs);
          else this.#over();
        }
      }),
      // Of a contract that is not in force at the moment: it will be asked again until it is.
      link.hearRefusals((refused) => {
        if (refused === this.#ask) this.#failed("the permissions of this connection do not cover it at the moment");
      }),
    ];
    this.#pull();
  }

  /** How long the open request has brought nothing; 0 when there is none. */
  get openForMs(): number {
    return this.#left > 0 ? performance.now() - this.#quietSince : 0;
  }

  /** There may be room for more. */
  more(): void {
    if (this.#left > 0 || this.#resting || this.#stopped) return;
    if (this.#options.free() >= this.#options.enough) return this.#pull();
    this.#gather ??= setTimeout(() => {
      this.#gather = undefined;
      if (this.#left === 0 && !this.#resting) this.#pull();
    }, GATHER_MS);
  }

  /** Asks for nothing more; what was delivered already has been handed over. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#end();
    await this.#subscription.drain();
  }

  /**
   * Asks for nothing more. The open request cannot be taken back: until it is over, what still comes is given back at
   * once, otherwise it would be nobody's until the acknowledgement wait has passed.
   */
  async stopGivingBack(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#gather);
    if (this.#left > 0 && this.#options.link.state === "connected") await this.#requestOver.promise;
    this.close();
  }

  /** Hears nothing more. */
  close(): void {
    this.#end();
    this.#subscription.close();
  }

  #end(): void {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#again);
    clearTimeout(this.#gather);
    this.#requestOver.resolve();
  }

  #pull(): void {
    const { link, free, expiresMs, pinned } = this.#options;
    const batch = free();
    if (batch <= 0 || this.#stopped || link.state !== "connected") return;
    clearTimeout(this.#again);
    this.#left = batch;
    this.#quietSince = performance.now();
    this.#again = setTimeout(() => this.#over(), expiresMs + GRACE_MS);
    const request = {
      batch,
      expires: expiresMs * NS_PER_MS,
      ...(pinned === undefined ? {} : { group: pinned.group }),
      ...(this.#pin === undefined ? {} : { id: this.#pin }),
    };
    try {
      link.publish(this.#ask, encoder.encode(JSON.stringify(request)), { reply: this.#subject });
    } catch {
      // The connection has just gone; its return, or the timer, asks again.
    }
  }

  /** The open request, or the rest, is no more. */
  #over(): void {
    clearTimeout(this.#again);
    this.#left = 0;
    this.#resting = false;
    if (this.#stopped) this.#requestOver.resolve();
    else this.#pull();
  }

  #rest(ms: number): void {
    clearTimeout(this.#again);
    this.#left = 0;
    this.#resting = true;
    this.#again = setTimeout(() => this.#over(), ms);
  }

  #receive(message: LinkMessage): void {
    const delivery = this.#read(message);
    if (delivery === undefined) return this.#status(message);
    this.#failures = 0;
    this.#told = "";
    if (this.#left > 0) this.#left -= 1;
    if (this.#left > 0) this.#quietSince = performance.now();
    if (this.#stopped) {
      this.#giveBack(delivery);
      if (this.#left === 0) this.#over();
      return;
    }
    this.#notePin(message);
    this.#options.onDelivery(delivery);
    this.more();
  }

  #giveBack({ reply }: Delivery): void {
    try {
      this.#options.link.publish(reply, GIVE_BACK);
    } catch {
      // Unsaid, it comes again when the acknowledgement wait is over.
    }
  }

  #notePin(message: LinkMessage): void {
    const { pinned } = this.#options;
    if (pinned === undefined) return;
    // The server writes its own behind whatever the publisher of the message wrote.
    const pin = headerValues(message, "Nats-Pin-Id").at(-1) ?? "";
    if (pin === "" || pin === this.#pin) return;
    this.#pin = pin;
    pinned.onTurn();
  }

  /** The end of a request; 408 is the usual one. */
  #status({ headers }: LinkMessage): void {
    const code = headers?.code ?? 0;
    if (code === 100 || code === 0) return;
    if (code === 408 || this.#stopped) {
      this.#failures = 0;
      return this.#over();
    }
    if (code === 423) {
      // Another replica's turn: ask as one of those who wait.
      this.#pin = undefined;
      return this.#over();
    }
    this.#failed(code === 503 ? "no stream or consumer answers" : (headers?.description ?? `status ${code}`));
  }

  #failed(why: string): void {
    if (this.#stopped) return this.#over();
    if (why !== this.#told) this.#options.onTrouble(why);
    this.#told = why;
    this.#failures += 1;
    this.#rest(Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(this.#failures, 10)));
  }
}
