import type { MsgHdrs, Subscription } from "@nats-io/nats-core";
import { subjectCovers } from "@trellis/contracts";
import { Handover } from "./handover.ts";
import { carriesJetStreamHeaders } from "./jetstream-headers.ts";
import type { LinkMessage, LinkSubscription, SubscribeOptions } from "./link.ts";
import type { Wire } from "./nats-wire.ts";
import { ReceivedMessage } from "./received-message.ts";
import { within } from "./within.ts";

/** A drain that takes longer than this goes on without its confirmation: the connection is as good as dead. */
const DRAIN_MS = 2_000;
/** A copy of a message may reach the new connection this much later than the old one: another server, another route. */
const LATE_COPY_MS = 500;

/** One subscription of the link, carried from connection to connection. */
export class CarriedSubscription implements LinkSubscription {
  readonly subject: string;
  readonly options: SubscribeOptions;
  readonly #onEnd: (subscription: CarriedSubscription) => void;
  readonly #attached = new Map<Wire, Subscription>();
  #handover: Handover | undefined;
  #ended = false;

  constructor(subject: string, options: SubscribeOptions, onEnd: (subscription: CarriedSubscription) => void) {
    this.subject = subject;
    this.options = options;
    this.#onEnd = onEnd;
  }

  attach(wire: Wire): void {
    if (this.#ended || wire.connection.isClosed() || wire.connection.isDraining()) return;
    const { queue } = this.options;
    const subscription = wire.connection.subscribe(this.subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null) this.#receive(wire, new ReceivedMessage(message));
      },
    });
    this.#attached.set(wire, subscription);
  }

  /** Attaches to the next connection too; members of a queue group hear every message once anyway. */
  attachNext(from: Wire, to: Wire): void {
    if (this.#ended) return;
    if (this.options.queue === undefined) this.#handover = new Handover(from, to);
    this.attach(to);
  }

  /** The next connection did not come to be: all goes on as before. */
  abandonNext(to: Wire): void {
    this.#handover = undefined;
    this.#detach(to);
  }

  /** Drains the old connection's part, then lets the new one speak. */
  async finishNext(from: Wire): Promise<void> {
    await this.#drainOn(from);
    const handover = this.#handover;
    if (handover === undefined || this.#ended) return;
    for (const message of handover.finish()) this.#deliver(message);
    setTimeout(() => {
      if (this.#handover === handover) this.#handover = undefined;
    }, LATE_COPY_MS);
  }

  /** The old connection is gone already; there is nothing to drain and nothing to compare. */
  moveTo(gone: Wire, next: Wire): void {
    this.#handover = undefined;
    this.#attached.delete(gone);
    this.attach(next);
  }

  /** NATS refused it on this connection; fresh permissions may allow it again. */
  refused(wire: Wire): void {
    if (!this.#attached.delete(wire)) return;
    this.options.onRefused?.();
  }

  isAttached(wire: Wire): boolean {
    return this.#attached.has(wire);
  }

  async drain(): Promise<void> {
    if (this.#ended) return;
    this.#onEnd(this);
    await Promise.all([...this.#attached.keys()].map((wire) => this.#drainOn(wire)));
    this.#ended = true;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this);
    for (const wire of this.#attached.keys()) this.#detach(wire);
  }

  #receive(wire: Wire, message: LinkMessage): void {
    if (this.#ended || !this.#wanted(message)) return;
    if (this.#handover !== undefined && !this.#handover.take(wire, message)) return;
    this.#deliver(message);
  }

  /** A listener that throws must not end the reading of the whole connection; the bug still surfaces as uncaught. */
  #deliver(message: LinkMessage): void {
    try {
      this.options.onMessage(message);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** The server can be made to deliver what nobody here asked for; see `carriesJetStreamHeaders`. */
  #wanted(message: LinkMessage): boolean {
    if (this.options.pulled === true) return true;
    if (message.subject !== this.subject && !subjectCovers(this.subject, message.subject)) return false;
    if (this.options.fromJetStream === true) return true;
    const headers: MsgHdrs | undefined = message.headers;
    return headers === undefined || !carriesJetStreamHeaders(headers);
  }

  async #drainOn(wire: Wire): Promise<void> {
    const subscription = this.#attached.get(wire);
    if (subscription === undefined) return;
    if (!wire.connection.isClosed() && !subscription.isClosed()) await within(DRAIN_MS, subscription.drain());
    this.#detach(wire);
  }

  #detach(wire: Wire): void {
    const subscription = this.#attached.get(wire);
    this.#attached.delete(wire);
    if (subscription !== undefined && !wire.connection.isClosed() && !subscription.isClosed())
      subscription.unsubscribe();
  }
}
