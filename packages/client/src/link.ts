import type { MsgHdrs } from "@nats-io/nats-core";

/**
 * The seam to NATS. A link outlives connections: it reconnects for ever, opens a second connection and moves to it
 * before the permissions of the first run out, and shows its owner one steady set of subscriptions and calls.
 */
export interface LinkMessage {
  readonly subject: string;
  /** Empty or absent when the sender wants no answer. */
  readonly reply?: string | undefined;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
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
  /** NATS does not allow this subscription. It is tried again with the next connection and its fresh permissions. */
  readonly onRefused?: () => void;
  /** Messages that JetStream made (they carry its headers) are dropped unless they were asked for. */
  readonly fromJetStream?: boolean;
  /** What a consumer delivers arrives under its own subject; only for a subject nobody else can know. */
  readonly pulled?: boolean;
}

export type LinkState = "connected" | "reconnecting" | "closed";

export interface Link {
  readonly state: LinkState;
  /** `_INBOX.<16>`: this participant's own corner of the subject space. */
  readonly inboxPrefix: string;
  /** Calls that still wait for their answer. */
  readonly waiting: number;
  /** The largest message the server takes, headers included; unknown before there was a connection. */
  readonly maxPayloadBytes: number | undefined;
  onState(listener: (state: LinkState, detail?: string) => void): () => void;
  /**
   * Between connections a bounded amount is held and sent on reconnection (`HELD_PUBLISHES`); beyond that, and after
   * the end, it throws a `TransportError` with code `disconnected`.
   */
  publish(subject: string, data: Uint8Array, options?: { readonly headers?: MsgHdrs; readonly reply?: string }): void;
  /**
   * Resolves with the one answer; rejects with a `TransportError` (`timeout`, `no_responders`, `disconnected`,
   * `cancelled`, `closed`, and `permission_denied` when NATS refuses the subject).
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<LinkMessage>;
  subscribe(subject: string, options: SubscribeOptions): LinkSubscription;
  /** A fresh subject of the class `a`, where nobody may publish, and the subscription that hears what is pulled to it. */
  openPull(onMessage: (message: LinkMessage) => void): {
    readonly subject: string;
    readonly subscription: LinkSubscription;
  };
  /** A fresh subject below `<prefix>.s.` and the subscription that hears it: many answers to one question. */
  openStream(onMessage: (message: LinkMessage) => void): {
    readonly subject: string;
    readonly subscription: LinkSubscription;
  };
  /** Told each subject NATS refused to publish to; calls hear of their own by themselves. Returns what stops it. */
  hearRefusals(listener: (subject: string) => void): () => void;
  flush(): Promise<void>;
  /** Opens a new connection with fresh permissions and moves everything over without losing a message. */
  renew(): Promise<void>;
  /** Drains every subscription, waits for open calls, closes. */
  drain(): Promise<void>;
  close(): Promise<void>;
}
