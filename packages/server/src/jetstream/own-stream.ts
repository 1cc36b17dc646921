import type { MsgHdrs } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { LEADER_READ_PREFIX } from "@trellis/contracts";
import { batchInboxOf } from "./batch-inbox.ts";
import type { BatchEnd, BatchInbox } from "./batch-inbox.ts";
import { fromDelivery, fromLeader } from "./stored-message.ts";
import type { LeaderMessage, StoredMessage } from "./stored-message.ts";
import { StreamRefused } from "./stream-refused.ts";

/** One attempt waits this long; whoever asks decides whether to ask again. */
export const ATTEMPT_MS = 3_000;

/** How much one page of a batched read may hold: far below what makes a server drop a slow connection. */
const PAGE = { messages: 16_384, bytes: 16 * 1024 * 1024 } as const;

export interface StoreOptions {
  readonly headers?: MsgHdrs;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface PageRequest {
  /** The first sequence that counts. */
  readonly from: number;
  /** A subject, wildcards allowed. */
  readonly subject: string;
  readonly messages?: number;
  readonly bytes?: number;
}

/**
 * A stream that belongs to this deployment alone, reached without consumers: publishes that are acknowledged, direct
 * reads that any replica answers (and that may lag behind), reads of the leader that are fresh.
 */
export class OwnStream {
  readonly name: string;
  readonly #link: Link;
  readonly #inbox: BatchInbox;

  constructor(link: Link, name: string) {
    this.name = name;
    this.#link = link;
    this.#inbox = batchInboxOf(link);
  }

  /** Stores one message and resolves with its sequence, once JetStream has it. */
  async store(subject: string, data: Uint8Array, options: StoreOptions = {}): Promise<number> {
    const { headers, signal, timeoutMs = ATTEMPT_MS } = options;
    const answer = await this.#link.request(subject, data, {
      inbox: "a",
      timeoutMs,
      ...(headers === undefined ? {} : { headers }),
      ...(signal === undefined ? {} : { signal }),
    });
    const ack = parseAnswer(answer.data);
    if (isObject(ack.error)) throw new StreamRefused(subject, ack.error);
    if (ack.stream !== this.name || typeof ack.seq !== "number")
      throw new StreamRefused(subject, { description: "the acknowledgement is of another stream" });
    return ack.seq;
  }

  /** The last message on a subject, as the nearest replica has it. */
  async last(subject: string): Promise<StoredMessage | undefined> {
    const answer = await this.#link.request(`$JS.API.DIRECT.GET.${this.name}.${subject}`, NOTHING, {
      inbox: "a",
      timeoutMs: ATTEMPT_MS,
    });
    const stored = fromDelivery(answer, this.name);
    if (stored !== undefined) return stored;
    if (answer.headers?.code === 404) return undefined;
    throw new StreamRefused(subject, { code: answer.headers?.code, description: answer.headers?.description });
  }

  /** The last message on a subject (wildcards allowed) as the leader has it. */
  lastOfLeader(subject: string): Promise<StoredMessage | undefined> {
    return this.#askLeader({ last_by_subj: subject });
  }

  /** The first message from this sequence on as the leader has it. */
  nextOfLeader(from: number, subject: string): Promise<StoredMessage | undefined> {
    return this.#askLeader({ seq: from, next_by_subj: subject });
  }

  /** How many messages there are on a subject, as the nearest replica counts them. */
  async count(subject: string): Promise<number> {
    let read = 0;
    const { pending } = await this.page({ from: 1, subject, messages: 1 }, () => (read += 1));
    return read + pending;
  }

  /** Many messages in the order of their sequences, as one replica has them; they are handed over as they arrive. */
  page(request: PageRequest, take: (message: StoredMessage) => void): Promise<BatchEnd> {
    const { from, subject, messages = PAGE.messages, bytes = PAGE.bytes } = request;
    return this.#inbox.read(this.name, { seq: from, batch: messages, max_bytes: bytes, next_by_subj: subject }, take);
  }

  /**
   * Everything on a subject from a sequence on, at least up to what the leader has now; answers the last sequence that
   * is accounted for. When it fails, what was handed over so far is worth nothing. A replica that lags gives a beginning, the leader gives the rest:
   * 1. A page holds whatever its replica has from its first sequence on, in order, so what a lagging replica lacks is
   *    newer than everything read so far.
   * 2. What the leader no longer has at or below its last sequence was replaced by something newer or has expired.
   */
  async readThrough(
    subject: string,
    from: number,
    take: (message: StoredMessage) => void,
    atOnce: Pick<PageRequest, "messages" | "bytes"> = {},
  ): Promise<number> {
    const upTo = (await this.lastOfLeader(subject))?.sequence ?? 0;
    let next = from;
    const taken = (message: StoredMessage): void => {
      take(message);
      next = message.sequence + 1;
    };
    while (next <= upTo) {
      const { pending } = await this.page({ from: next, subject, ...atOnce }, taken);
      if (pending === 0) break;
    }
    while (next <= upTo) {
      const message = await this.nextOfLeader(next, subject);
      if (message === undefined) break;
      taken(message);
    }
    return Math.max(upTo, next - 1);
  }

  /**
   * A part of what `readThrough` would read: as much as was asked for at the most. Answers where the next part begins;
   * `undefined` when there is none.
   */
  async readPart(request: PageRequest, take: (message: StoredMessage) => void): Promise<number | undefined> {
    const { from, subject, messages = PAGE.messages } = request;
    const upTo = (await this.lastOfLeader(subject))?.sequence ?? 0;
    let next = from;
    let read = 0;
    const taken = (message: StoredMessage): void => {
      take(message);
      next = message.sequence + 1;
      read += 1;
    };
    if (next > upTo) return undefined;
    const { pending } = await this.page(request, taken);
    while (pending === 0 && next <= upTo && read < messages) {
      const message = await this.nextOfLeader(next, subject);
      if (message === undefined) return undefined;
      taken(message);
    }
    return next <= upTo ? next : undefined;
  }

  async #askLeader(request: object): Promise<StoredMessage | undefined> {
    const answer = await this.#link.request(
      `${LEADER_READ_PREFIX}.${this.name}`,
      encoder.encode(JSON.stringify(request)),
      { inbox: "a", timeoutMs: ATTEMPT_MS },
    );
    const body = parseAnswer(answer.data);
    if (isLeaderMessage(body.message)) return fromLeader(body.message);
    if (isObject(body.error)) {
      if (body.error.err_code === MESSAGE_NOT_FOUND) return undefined;
      throw new StreamRefused(`a read of ${this.name}`, body.error);
    }
    throw new StreamRefused(`a read of ${this.name}`, { description: "the answer is not one of JetStream" });
  }
}

const NOTHING = new Uint8Array(0);
const MESSAGE_NOT_FOUND = 10037;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Answer {
  readonly [member: string]: unknown;
}

function parseAnswer(data: Uint8Array): Answer {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data));
  } catch {
    value = undefined;
  }
  if (!isObject(value)) throw new StreamRefused("a request", { description: "the answer is not JSON" });
  return value;
}

function isObject(value: unknown): value is Answer {
  return typeof value === "object" && value !== null;
}

function isLeaderMessage(value: unknown): value is LeaderMessage {
  return (
    isObject(value) &&
    typeof value.subject === "string" &&
    typeof value.seq === "number" &&
    typeof value.time === "string"
  );
}
