import type { MsgHdrs } from "@nats-io/nats-core";

/**
 * The seam to NATS. A link outlives connections: it reconnects for ever, opens a second connection and moves to it
 * before the permissions of the first run out, and shows its owner one steady set of subscriptions and calls.
 */
export interface LinkMessage {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

export interface LinkSubscription {
  /** Takes nothing new; resolves when what was already delivered has been handed over. */
  drain(): Promise<void>;
  close(): void;
}

export interface RequestOptions {
  readonly headers?: MsgHdrs;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** `r`: answers of participants (the default). `a`: answers and acknowledgements of JetStream. */
  readonly inbox?: "r" | "a";
}

export interface SubscribeOptions {
  readonly queue?: string;
  /** Called on the receiving tick; it must not block and must not throw. */
  readonly onMessage: (message: LinkMessage) => void;
}

export type LinkState = "connected" | "reconnecting" | "closed";

export interface Link {
  readonly state: LinkState;
  /** `_INBOX.<16>`: this participant's own corner of the subject space. */
  readonly inboxPrefix: string;
  onState(listener: (state: LinkState, detail?: string) => void): () => void;
  publish(subject: string, data: Uint8Array, options?: { readonly headers?: MsgHdrs; readonly reply?: string }): void;
  /** Resolves with the one answer; throws a `TransportError` (timeout, no_responders, disconnected, …). */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<LinkMessage>;
  subscribe(subject: string, options: SubscribeOptions): LinkSubscription;
  /** A fresh subject below `<prefix>.s.` and the subscription that hears it: many answers to one question. */
  openStream(onMessage: (message: LinkMessage) => void): { readonly subject: string; readonly subscription: LinkSubscription };
  flush(): Promise<void>;
  /** Opens a new connection with fresh permissions and moves everything over without losing a message. */
  renew(): Promise<void>;
  /** Drains every subscription, waits for open calls, closes. */
  drain(): Promise<void>;
  close(): Promise<void>;
}
