import type { Authenticator, ConnectionOptions, NatsConnection, Subscription, TlsOptions } from "@nats-io/nats-core";
import { PermissionViolationError, AuthorizationError, UserAuthenticationExpiredError } from "@nats-io/nats-core";
import type { LinkMessage } from "./link.ts";
import { ReceivedMessage } from "./received-message.ts";
import { reconnectDelayMs } from "./reconnect-delay.ts";
import type { InboxClass, ReplyInbox } from "./reply-multiplexer.ts";

/** Opens a connection: `nodeConnect`, or `wsconnect` of `@nats-io/nats-core` in a browser. */
export type ConnectFunction = (options: ConnectionOptions) => Promise<NatsConnection>;

/** Everything one connection needs to know; asked for anew before each renewal. */
export interface ConnectionPlan {
  readonly servers: readonly string[];
  /** Signs the nonce the server sends: a connect token, or a user JWT for the control plane. */
  readonly authenticator?: Authenticator;
  readonly tls?: TlsOptions;
  /** How long the permissions of a connection live; without it a connection is never renewed by time. */
  readonly permissionsTtlMs?: number;
}

/** Dead peers are noticed within three of these. */
const PING_INTERVAL_MS = 15_000;
/** A callout that does not answer is a refusal after about this long. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** nats.js dials at once when a connection was lost: everybody a server drops must not be back in the same instant. */
const FIRST_SPREAD_MS = 100;

export interface WireEvents {
  onUp(wire: Wire): void;
  onDown(wire: Wire): void;
  /** The connection gave up for good (nobody asked it to). */
  onGone(wire: Wire, cause: Error | undefined): void;
  onPublishRefused(wire: Wire, subject: string): void;
  onSubscribeRefused(wire: Wire, subject: string, queue: string | undefined): void;
  onAuthRefused(wire: Wire): void;
  /** The server is about to go away and asks its clients to move. */
  onLeaving(wire: Wire): void;
  onReply(inboxClass: InboxClass, message: LinkMessage): void;
}

/** One NATS connection and what is only true of it. It reconnects by itself until it is retired. */
export class Wire {
  readonly connection: NatsConnection;
  readonly inbox: ReplyInbox;
  readonly permissionsTtlMs: number | undefined;
  readonly serverCount: number;
  /** When the present permissions began, by the monotonic clock. */
  bornAt: number;
  up = true;
  /** Its successor has taken over: losing it is no news. */
  retired = false;
  readonly #events: WireEvents;
  readonly #inboxes = new Map<ReplyInbox, readonly Subscription[]>();
  readonly #attempts: Attempts;

  private constructor(
    connection: NatsConnection,
    plan: ConnectionPlan,
    inbox: ReplyInbox,
    bornAt: number,
    events: WireEvents,
    attempts: Attempts,
  ) {
    this.connection = connection;
    this.inbox = inbox;
    this.permissionsTtlMs = plan.permissionsTtlMs;
    this.serverCount = plan.servers.length;
    this.bornAt = bornAt;
    this.#events = events;
    this.#attempts = attempts;
  }

  /** Connects once; rejects when no server of the plan took us. */
  static async open(
    connect: ConnectFunction,
    plan: ConnectionPlan,
    name: string | undefined,
    inbox: ReplyInbox,
    events: WireEvents,
  ): Promise<Wire> {
    const attempts = new Attempts();
    const bornAt = performance.now();
    const connection = await connect({
      servers: [...plan.servers],
      ...(name === undefined ? {} : { name }),
      ...(plan.authenticator === undefined ? {} : { authenticator: plan.authenticator }),
      ...(plan.tls === undefined ? {} : { tls: plan.tls }),
      timeout: HANDSHAKE_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      // Without these two, nats.js pays for a stack trace per request and closes for good after two refused logins,
      // which is what a short outage of the control plane looks like.
      noAsyncTraces: true,
      ignoreAuthErrorAbort: true,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => attempts.delayMs,
      // Called before each dial; asking the delay handler happens several times for one.
      reconnectToServer: ([server]) => {
        const first = attempts.next();
        return first && server !== undefined ? { server, delay: Math.random() * FIRST_SPREAD_MS } : null;
      },
    });
    const wire = new Wire(connection, plan, inbox, bornAt, events, attempts);
    attempts.connected();
    void wire.#watch();
    wire.hear(inbox);
    return wire;
  }

  /** Listens for answers below an inbox: its own, or an older connection's that still has calls waiting. */
  hear(inbox: ReplyInbox): void {
    if (this.#inboxes.has(inbox)) return;
    this.#inboxes.set(
      inbox,
      (["r", "a"] as const).map((inboxClass) =>
        this.connection.subscribe(`${inbox.base[inboxClass]}*`, {
          callback: (error, message) => {
            if (error === null) this.#events.onReply(inboxClass, new ReceivedMessage(message));
          },
        }),
      ),
    );
  }

  /** Stops listening to an inbox whose last call is settled. */
  forget(inbox: ReplyInbox): void {
    const subscriptions = this.#inboxes.get(inbox);
    this.#inboxes.delete(inbox);
    if (this.connection.isClosed()) return;
    for (const subscription of subscriptions ?? []) subscription.unsubscribe();
  }

  async close(): Promise<void> {
    this.retired = true;
    this.up = false;
    await this.connection.close();
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "error") this.#sortError(status.error);
      else if (status.type === "disconnect") this.#wentDown();
      else if (status.type === "reconnect") this.#cameBack();
      else if (status.type === "ldm" && !this.retired) this.#events.onLeaving(this);
    }
    const cause = await this.connection.closed();
    this.up = false;
    if (!this.retired) this.#events.onGone(this, cause instanceof Error ? cause : undefined);
  }

  /** nats.js tells it again for every dial that was refused after it had reached the server. */
  #wentDown(): void {
    const wasUp = this.up;
    this.up = false;
    if (this.retired) void this.connection.close();
    else if (wasUp) this.#events.onDown(this);
  }

  #cameBack(): void {
    if (this.up) return;
    this.up = true;
    this.#attempts.connected();
    this.bornAt = this.#attempts.lastDialAt;
    if (!this.retired) this.#events.onUp(this);
  }

  #sortError(error: Error): void {
    if (error instanceof PermissionViolationError) {
      if (error.operation === "publish") this.#events.onPublishRefused(this, error.subject);
      else this.#events.onSubscribeRefused(this, error.subject, error.queue);
    } else if (error instanceof AuthorizationError && !(error instanceof UserAuthenticationExpiredError)) {
      if (!this.retired) this.#events.onAuthRefused(this);
    }
  }
}

/** How often this connection dialled since it was last up, and how long it waits before the next time. */
class Attempts {
  count = 0;
  delayMs = reconnectDelayMs(0);
  lastDialAt = 0;
  #wasConnected = false;

  /** Counts a dial; says whether it is the first after a connection was lost. */
  next(): boolean {
    const first = this.#wasConnected && this.count === 0;
    this.lastDialAt = performance.now();
    this.delayMs = reconnectDelayMs(this.count);
    this.count += 1;
    return first;
  }

  connected(): void {
    this.#wasConnected = true;
    this.count = 0;
    this.delayMs = reconnectDelayMs(0);
  }
}
