import { AuthorizationError } from "@nats-io/nats-core";
import { newInboxOwner, newReplySubject, newStreamSubject, replyBase, TransportError } from "@trellis/protocol";
import { HeldPublishes } from "./held-publishes.ts";
import { CarriedSubscription } from "./link-subscription.ts";
import type { Link, LinkMessage, LinkState, LinkSubscription, RequestOptions, SubscribeOptions } from "./link.ts";
import { Wire } from "./nats-wire.ts";
import type { ConnectFunction, ConnectionPlan, WireEvents } from "./nats-wire.ts";
import { isAborted, pause, reconnectDelayMs } from "./reconnect-delay.ts";
import { RenewalTimer } from "./renewal.ts";
import { ReplyInbox, ReplyMultiplexer } from "./reply-multiplexer.ts";
import type { InboxClass } from "./reply-multiplexer.ts";
import { within } from "./within.ts";

export interface LinkOptions {
  readonly connect: ConnectFunction;
  readonly inboxPrefix: string;
  /** Shown in the server's monitoring. */
  readonly name?: string;
  /** Where and how to connect; asked before the first connection and before every further one. */
  readonly plan: () => ConnectionPlan | Promise<ConnectionPlan>;
  /** NATS refused our credentials. The link goes on trying; whoever knows why may end it. */
  readonly onAuthRefused?: () => void;
  /** Each change of luck in one sentence: for a log, never needed for the work. */
  readonly onTrouble?: (message: string) => void;
  /** Gives up the first connection; later ones end with `close`. */
  readonly signal?: AbortSignal;
}

/** An old connection may wait this long for the answers to the calls it sent. */
const SETTLE_MS = 10_000;
/** How long the servers of a cluster may take to learn that somebody listens at another one than before. */
const SPREAD_MS = 250;
/** Nobody waits longer than this for one round trip during a move. */
const FLUSH_MS = 2_000;

/**
 * The link over NATS connections.
 *
 * 1. Exactly one wire is current; during a move there is a second, the incoming one, and at the end of a move the
 *    current one is retired. A retired wire never reconnects.
 * 2. Every subscription is on the current wire, and on the incoming one as long as there is one.
 * 3. Every inbox with waiting calls is heard on the current wire, so the death of a retired one loses no answer.
 * 4. Publishes keep their order across a move: the old wire's are flushed before the new wire's begin.
 */
export class NatsLink implements Link, WireEvents {
  readonly inboxPrefix: string;
  readonly #options: LinkOptions;
  readonly #replies = new ReplyMultiplexer();
  readonly #subscriptions = new Set<CarriedSubscription>();
  readonly #inboxes = new Set<ReplyInbox>();
  readonly #listeners = new Set<(state: LinkState, detail?: string) => void>();
  readonly #refusals = new Set<(subject: string) => void>();
  readonly #retired = new Set<Wire>();
  readonly #renewal = new RenewalTimer(() => void this.renew());
  readonly #ended = new AbortController();
  readonly #held = new HeldPublishes();
  #wire!: Wire;
  #incoming: Wire | undefined;
  /** Publishes go to the held ones: there is no connection, or a move is at its turning point. */
  #holding = false;
  #state: LinkState = "connected";
  #draining = false;
  #endedBy: Error | undefined;
  #move: Promise<void> | undefined;

  private constructor(options: LinkOptions) {
    this.#options = options;
    this.inboxPrefix = options.inboxPrefix;
  }

  /** Connects, trying for ever (or until the signal) while no server takes us. */
  static async open(options: LinkOptions): Promise<NatsLink> {
    const link = new NatsLink(options);
    const wire = await link.#openWire(options.signal);
    if (wire === undefined) {
      throw new TransportError("cancelled", { message: "Connecting was given up by its caller." });
    }
    link.#wire = wire;
    link.#startRenewal();
    return link;
  }

  get state(): LinkState {
    return this.#state;
  }

  get waiting(): number {
    return this.#replies.size;
  }

  get maxPayloadBytes(): number | undefined {
    return this.#wire.connection.info?.max_payload;
  }

  onState(listener: (state: LinkState, detail?: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(
    subject: string,
    data: Uint8Array,
    options?: { readonly headers?: RequestOptions["headers"]; readonly reply?: string },
  ): void {
    if (this.#holding || this.#state !== "connected") {
      this.#hold(subject, data, options?.headers, options?.reply);
      return;
    }
    this.#send(this.#wire, subject, data, options?.headers, options?.reply);
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<LinkMessage> {
    if (this.#state !== "connected" || this.#draining) return Promise.reject(this.#disconnected(subject));
    const wire = this.#wire;
    const inboxClass = options.inbox ?? "r";
    const call = this.#replies.begin(wire.inbox, subject, options.timeoutMs, inboxClass, options.signal);
    try {
      if (this.#holding) this.#hold(subject, data, options.headers, call.reply);
      else this.#send(wire, subject, data, options.headers, call.reply);
    } catch (error) {
      call.abandon(error instanceof Error ? error : new Error(String(error)));
    }
    return call.answer;
  }

  subscribe(subject: string, options: SubscribeOptions): LinkSubscription {
    if (this.#state === "closed") throw this.#disconnected(subject);
    const subscription = new CarriedSubscription(subject, options, (ended) => this.#subscriptions.delete(ended));
    this.#subscriptions.add(subscription);
    subscription.attach(this.#wire);
    if (this.#incoming !== undefined) subscription.attachNext(this.#wire, this.#incoming);
    return subscription;
  }

  openStream(onMessage: (message: LinkMessage) => void): {
    readonly subject: string;
    readonly subscription: LinkSubscription;
  } {
    const subject = newStreamSubject(this.inboxPrefix);
    return { subject, subscription: this.subscribe(subject, { onMessage }) };
  }

  openPull(onMessage: (message: LinkMessage) => void): {
    readonly subject: string;
    readonly subscription: LinkSubscription;
  } {
    const subject = newReplySubject(replyBase(this.inboxPrefix, "a", newInboxOwner()));
    return { subject, subscription: this.subscribe(subject, { onMessage, pulled: true }) };
  }

  hearRefusals(listener: (subject: string) => void): () => void {
    this.#refusals.add(listener);
    return () => this.#refusals.delete(listener);
  }

  async flush(): Promise<void> {
    while (this.#state !== "closed") {
      if (this.#state === "connected" && !this.#holding) {
        try {
          await this.#wire.connection.flush();
          return;
        } catch {
          // The connection went away meanwhile; the next one says when everything is through.
        }
      }
      await pause(10, this.#ended.signal);
    }
    throw this.#disconnected("");
  }

  renew(): Promise<void> {
    this.#move ??= this.#renewUntilDone().finally(() => {
      this.#move = undefined;
    });
    return this.#move;
  }

  /** Gives up on the servers it is trying, which may have moved: the plan is asked for others. Nothing while connected. */
  redial(): void {
    if (this.#state === "reconnecting") void this.#wire.connection.close();
  }

  async drain(): Promise<void> {
    if (this.#state === "closed") return;
    this.#draining = true;
    this.#renewal.stop();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.drain()));
    // Bounded by the deadlines of the calls themselves.
    await Promise.all([...this.#inboxes].map((inbox) => this.#idle(inbox)));
    if (this.#state === "connected") await within(FLUSH_MS, this.#wire.connection.flush());
    await this.close();
  }

  /** Ends every call: with this reason, or because the owner wants no more. */
  async close(reason?: Error): Promise<void> {
    if (this.#state === "closed") return;
    this.#endedBy = reason;
    this.#setState("closed", reason?.message);
    this.#renewal.stop();
    this.#ended.abort();
    this.#replies.failAll(this.#disconnected(""));
    for (const subscription of this.#subscriptions) subscription.close();
    this.#listeners.clear();
    const wires = [this.#wire, ...this.#retired, ...(this.#incoming === undefined ? [] : [this.#incoming])];
    await Promise.all(wires.map((wire) => wire.close()));
  }

  // ── what a wire tells ────────────────────────────────────────────────────────────────────────────────────────

  onReply(inboxClass: InboxClass, message: LinkMessage): void {
    this.#replies.receive(inboxClass, message);
  }

  onUp(wire: Wire): void {
    if (wire !== this.#wire || this.#state === "closed") return;
    for (const subscription of this.#subscriptions) if (!subscription.isAttached(wire)) subscription.attach(wire);
    this.#startRenewal();
    this.#release(wire);
    this.#setState("connected");
    this.#trouble("The connection to NATS is back.");
  }

  onDown(wire: Wire): void {
    if (wire !== this.#wire || this.#state === "closed") return;
    this.#renewal.stop();
    this.#setState("reconnecting", "the connection to NATS was lost");
    this.#trouble("The connection to NATS was lost; reconnecting.");
  }

  onGone(wire: Wire, cause: Error | undefined): void {
    if (wire !== this.#wire || this.#state === "closed") return;
    this.#setState("reconnecting", "the connection to NATS was closed");
    this.#trouble(`The connection to NATS ended (${cause?.message ?? "no reason given"}); opening a new one.`);
    void this.#replace(wire);
  }

  onPublishRefused(wire: Wire, subject: string): void {
    this.#replies.refuse(wire.inbox, subject);
    for (const listener of this.#refusals) listener(subject);
    this.#trouble(`NATS refused to publish to ${subject}.`);
  }

  onSubscribeRefused(wire: Wire, subject: string, queue: string | undefined): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.subject === subject && subscription.options.queue === queue) subscription.refused(wire);
    }
    this.#trouble(`NATS refused to subscribe to ${subject}.`);
  }

  onAuthRefused(wire: Wire): void {
    if (wire === this.#wire || wire === this.#incoming) this.#options.onAuthRefused?.();
  }

  onLeaving(wire: Wire): void {
    if (wire === this.#wire && wire.connection.getServers().length > 1) void this.renew();
  }

  // ── moving ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #renewUntilDone(): Promise<void> {
    for (let attempt = 0; this.#state !== "closed" && !this.#draining; attempt += 1) {
      // A reconnection comes with fresh permissions of its own: then there is nothing to move.
      const old = this.#wire;
      const bornAt = old.bornAt;
      if (this.#state === "connected" && (await this.#moveFrom(old))) return;
      while (this.#state === "reconnecting") await pause(20, this.#ended.signal);
      if (this.#wire !== old || this.#wire.bornAt !== bornAt) return;
      await pause(reconnectDelayMs(attempt), this.#ended.signal);
    }
  }

  /** One try to move everything to a new connection; false when it broke on the way and nothing has changed. */
  async #moveFrom(old: Wire): Promise<boolean> {
    const next = await this.#dial().catch(() => undefined);
    if (next === undefined) return false;
    if (this.#state !== "connected" || this.#wire !== old) {
      this.#abandon(next);
      return false;
    }
    this.#incoming = next;
    for (const inbox of this.#inboxes) next.hear(inbox);
    for (const subscription of this.#subscriptions) subscription.attachNext(old, next);
    const heard = await within(FLUSH_MS, next.connection.flush());
    if (!heard || !next.up || this.#isOver()) {
      this.#abandon(next);
      return false;
    }
    if (next.connection.info?.server_id !== old.connection.info?.server_id) await pause(SPREAD_MS, this.#ended.signal);
    // The turning point: what was published so far leaves through the old wire before anything takes the new one.
    this.#holding = true;
    if (old.up) await within(FLUSH_MS, old.connection.flush());
    if (!next.up || this.#isOver()) {
      this.#abandon(next);
      return false;
    }
    this.#incoming = undefined;
    this.#wire = next;
    this.#retire(old);
    this.#startRenewal();
    this.#release(next);
    this.#setState("connected");
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.finishNext(old)));
    void this.#closeWhenSettled(old);
    return true;
  }

  #abandon(next: Wire): void {
    this.#incoming = undefined;
    for (const subscription of this.#subscriptions) subscription.abandonNext(next);
    this.#inboxes.delete(next.inbox);
    if (this.#state === "connected") this.#release(this.#wire);
    else this.#holding = false;
    void next.close();
  }

  #retire(old: Wire): void {
    old.retired = true;
    this.#retired.add(old);
    const { inbox } = old;
    const forget = (): void => {
      this.#inboxes.delete(inbox);
      this.#wire.forget(inbox);
    };
    if (inbox.pending === 0) forget();
    else inbox.onIdle = forget;
  }

  async #closeWhenSettled(old: Wire): Promise<void> {
    await within(SETTLE_MS, this.#idle(old.inbox));
    this.#retired.delete(old);
    await old.close();
  }

  /** The current wire closed for good: everything starts again on a new one. */
  async #replace(gone: Wire): Promise<void> {
    const next = await this.#openWire(this.#ended.signal);
    if (next === undefined) return;
    if (this.#state === "closed" || this.#wire !== gone) {
      this.#inboxes.delete(next.inbox);
      await next.close();
      return;
    }
    this.#wire = next;
    this.#retire(gone);
    this.#retired.delete(gone);
    for (const inbox of this.#inboxes) next.hear(inbox);
    for (const subscription of this.#subscriptions) subscription.moveTo(gone, next);
    this.onUp(next);
  }

  async #openWire(signal: AbortSignal | undefined): Promise<Wire | undefined> {
    let told = "";
    for (let attempt = 0; !isAborted(signal); attempt += 1) {
      try {
        return await this.#dial();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== told) this.#trouble(`NATS cannot be reached (${message}); trying again.`);
        told = message;
        await pause(reconnectDelayMs(attempt), signal);
      }
    }
    return undefined;
  }

  async #dial(): Promise<Wire> {
    const plan = await this.#options.plan();
    const inbox = new ReplyInbox(this.inboxPrefix);
    let wire: Wire;
    try {
      wire = await Wire.open(this.#options.connect, plan, this.#options.name, inbox, this);
    } catch (error) {
      if (error instanceof AuthorizationError) this.#options.onAuthRefused?.();
      throw error;
    }
    if (this.#state === "closed") {
      await wire.close();
      throw this.#disconnected("");
    }
    this.#inboxes.add(inbox);
    return wire;
  }

  // ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────

  #send(
    wire: Wire,
    subject: string,
    data: Uint8Array,
    headers: RequestOptions["headers"],
    reply: string | undefined,
  ): void {
    const options: { reply?: string; headers?: NonNullable<typeof headers> } = {};
    if (reply !== undefined) options.reply = reply;
    if (headers !== undefined) options.headers = headers;
    try {
      wire.connection.publish(subject, data, options);
    } catch (error) {
      throw publishFailed(subject, error);
    }
  }

  #hold(subject: string, data: Uint8Array, headers: RequestOptions["headers"], reply: string | undefined): void {
    if (this.#state === "closed" || !this.#held.hold({ subject, data, headers, reply }))
      throw this.#disconnected(subject);
  }

  #release(wire: Wire): void {
    this.#holding = false;
    for (const { subject, data, headers, reply } of this.#held.take()) {
      try {
        this.#send(wire, subject, data, headers, reply);
      } catch (error) {
        this.#trouble(
          `A message held for ${subject} could not be sent: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }

  #startRenewal(): void {
    this.#renewal.start(this.#wire.permissionsTtlMs, this.#wire.bornAt);
  }

  #idle(inbox: ReplyInbox): Promise<void> {
    if (inbox.pending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = inbox.onIdle;
      inbox.onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  #isOver(): boolean {
    return this.#state === "closed";
  }

  #setState(state: LinkState, detail?: string): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state, detail);
  }

  #trouble(message: string): void {
    this.#options.onTrouble?.(message);
  }

  #disconnected(subject: string): Error {
    if (this.#endedBy !== undefined) return this.#endedBy;
    const about = subject === "" ? "" : ` Nothing was sent to ${subject}.`;
    return this.#state === "closed" || this.#draining
      ? new TransportError("closed", { message: `This connection was closed by its owner.${about}` })
      : new TransportError("disconnected", {
          message: `There is no connection to NATS at the moment.${about}`,
          hint: "It is being re-established; ask again shortly.",
        });
  }
}

/** Connects to NATS and returns the link; see `LinkOptions`. */
export function connectLink(options: LinkOptions): Promise<NatsLink> {
  return NatsLink.open(options);
}

function publishFailed(subject: string, error: unknown): TransportError {
  const message = error instanceof Error ? error.message : String(error);
  return /max_payload/.test(message)
    ? new TransportError("payload_too_large", {
        message: `The message for ${subject} is larger than the server takes.`,
      })
    : new TransportError("disconnected", { message: `Nothing was sent to ${subject}: ${message}.`, cause: error });
}
