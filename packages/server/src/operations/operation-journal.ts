import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { operationRecordSubject, operationToken } from "@trellis/contracts";
import type { OperationsBinding } from "@trellis/contracts";
import { OwnStream } from "../jetstream/own-stream.ts";
import { persist } from "../jetstream/persist.ts";
import { holds } from "../jetstream/stored-message.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import { readInboxMessage, readItem, readRecord } from "./operation-record.ts";
import type { InboxMessage, OperationItem, OperationRecord, StoredRecord } from "./operation-record.ts";

/** One operation of a deployment. */
export interface OperationName {
  /** The logical name. */
  readonly operation: string;
  readonly id: string;
}

export interface AppendOptions {
  /** The sequence of the record this one follows; 0: it is the first. */
  readonly after: number;
  /** It replaces everything before it and leaves after this long (0: never). */
  readonly replaceForMs?: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** Gives up after this long; without it, only with the signal or the link. */
  readonly withinMs?: number;
}

/** What was accepted, oldest first, and where the next page begins. */
export interface QueuePage {
  readonly accepted: readonly {
    readonly sequence: number;
    readonly accepted: NonNullable<OperationItem["accepted"]>;
  }[];
  readonly next: number | undefined;
}

const encoder = new TextEncoder();
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";
/** A signal nobody has fetched for so long is of no more use to anybody. */
const INBOX_SECONDS = 30 * 86_400;

/**
 * What a deployment keeps of its operations.
 *
 * 1. The journal of an operation is one subject; every append names the record it follows, so of two writers one is stored.
 * 2. What was refused is not lost before the last record was read from the leader: an earlier try may have been stored.
 * 3. An item of the work queue makes somebody look; what the journal says counts. Items too many do no harm.
 */
export class OperationJournal {
  readonly stream: OwnStream;
  readonly #link: Link;
  readonly #service: string;
  readonly #work: OwnStream;

  constructor(link: Link, service: string, binding: OperationsBinding) {
    this.#link = link;
    this.#service = service;
    this.stream = new OwnStream(link, binding.stream);
    this.#work = new OwnStream(link, binding.work.stream);
  }

  subject(part: "journal" | "inbox" | "work" | "wake", { operation, id }: OperationName): string {
    return operationRecordSubject(this.#service, part, operationToken(operation), id);
  }

  /** Stores the next record; `undefined` when somebody else has written in between. */
  async append(name: OperationName, record: OperationRecord, options: AppendOptions): Promise<number | undefined> {
    const subject = this.subject("journal", name);
    const data = encode(record);
    const headers = newHeaders(options.after);
    const { replaceForMs, signal, withinMs = Number.POSITIVE_INFINITY } = options;
    if (replaceForMs !== undefined) {
      headers.headers.set("Nats-Rollup", ["sub"]);
      if (replaceForMs > 0) headers.headers.set("Nats-TTL", [`${Math.max(1, Math.ceil(replaceForMs / 1_000))}s`]);
    }
    return persist(
      this.#link,
      async () => {
        try {
          return await this.stream.store(subject, data, withSignal(headers, signal));
        } catch (error) {
          if (!(error instanceof StreamRefused) || !error.isConflict) throw error;
          const last = await this.#last(subject);
          const ours =
            last?.record.claim === record.claim && last.record.snapshot.revision === record.snapshot.revision;
          return ours ? last.sequence : undefined;
        }
      },
      { withinMs, signal },
    );
  }

  /** The newest record as the leader has it. */
  last(name: OperationName): Promise<StoredRecord | undefined> {
    return persist(this.#link, () => this.#last(this.subject("journal", name)));
  }

  /** All records there are, oldest first, at least up to what the leader has now. */
  all(name: OperationName, signal?: AbortSignal): Promise<readonly StoredRecord[]> {
    return persist(
      this.#link,
      async () => {
        const records: StoredRecord[] = [];
        await this.stream.readThrough(this.subject("journal", name), 1, (message) => {
          const stored = storedRecord(message);
          if (stored !== undefined) records.push(stored);
        });
        return records;
      },
      { signal },
    );
  }

  /** Accepts an operation; false when it is in the queue already. */
  async accept(name: OperationName, item: OperationItem, signal?: AbortSignal): Promise<boolean> {
    return this.#put(name, item, signal, ACCEPT_MS);
  }

  /** What was accepted and nobody has finished or put aside; the leader's word. */
  async accepted(name: OperationName): Promise<OperationItem["accepted"]> {
    const message = await persist(this.#link, () => this.#work.lastOfLeader(this.subject("work", name)));
    return message === undefined ? undefined : readItem(message.data)?.accepted;
  }

  /** A page of the queue from this place on: what was accepted, and perhaps begun since. */
  async queued(from: number, messages: number): Promise<QueuePage> {
    const accepted: { sequence: number; accepted: NonNullable<OperationItem["accepted"]> }[] = [];
    let next = from;
    const { pending } = await this.#work.page(
      { from, subject: `trellis.ops.${this.#service}.work.>`, messages },
      ({ sequence, data }) => {
        next = sequence + 1;
        const item = readItem(data);
        if (item?.accepted !== undefined) accepted.push({ sequence, accepted: item.accepted });
      },
    );
    return { accepted, next: pending > 0 ? next : undefined };
  }

  /** Makes somebody look at an operation, whether or not it is in the queue. */
  async wake(name: OperationName): Promise<void> {
    await persist(this.#link, () => this.#work.store(this.subject("work", name), encode({ id: name.id })));
  }

  /** Makes somebody look at an operation that is not in the queue. */
  async requeue(name: OperationName): Promise<boolean> {
    return this.#put(name, { id: name.id }, undefined, ACCEPT_MS);
  }

  /** Makes somebody look at an operation at this time, instead of the time set before. */
  async wakeAt(name: OperationName, atMs: number, signal?: AbortSignal): Promise<void> {
    const headers = newHeaders();
    headers.headers.set("Nats-Rollup", ["sub"]);
    headers.headers.set("Nats-Schedule", [`@at ${new Date(atMs).toISOString()}`]);
    headers.headers.set("Nats-Schedule-Target", [this.subject("work", name)]);
    const data = encode({ id: name.id });
    await persist(this.#link, () => this.#work.store(this.subject("wake", name), data, { headers }), { signal });
  }

  /** Keeps a message for whoever runs the operation; the same token twice is one message. */
  async send(name: OperationName, message: InboxMessage, token: string): Promise<number> {
    const headers = newHeaders();
    headers.headers.set("Nats-Msg-Id", [`${name.id}.${token}`]);
    headers.headers.set("Nats-TTL", [`${INBOX_SECONDS}s`]);
    const data = encode(message);
    return persist(this.#link, () => this.stream.store(this.subject("inbox", name), data, { headers }));
  }

  /** The place of the last message there has been in the inbox; 0 when there is none. */
  async inboxEnd(name: OperationName): Promise<number> {
    const newest = await persist(this.#link, () => this.stream.lastOfLeader(this.subject("inbox", name)));
    return newest?.sequence ?? 0;
  }

  /** Messages after this place in the inbox. Most operations never get one, so the usual answer is cheap. */
  inbox(
    name: OperationName,
    after: number,
    signal?: AbortSignal,
  ): Promise<readonly { readonly sequence: number; readonly message: InboxMessage }[]> {
    const subject = this.subject("inbox", name);
    return persist(
      this.#link,
      async () => {
        const newest = await this.stream.lastOfLeader(subject);
        if (newest === undefined || newest.sequence <= after) return [];
        const found: { sequence: number; message: InboxMessage }[] = [];
        await this.stream.readThrough(subject, after + 1, ({ sequence, data }) => {
          const message = readInboxMessage(data);
          if (message !== undefined) found.push({ sequence, message });
        });
        return found;
      },
      { signal },
    );
  }

  async #put(
    name: OperationName,
    item: OperationItem,
    signal: AbortSignal | undefined,
    withinMs: number,
  ): Promise<boolean> {
    const headers = newHeaders(0);
    const data = encode(item);
    return persist(
      this.#link,
      async (attempts) => {
        try {
          await this.#work.store(this.subject("work", name), data, withSignal(headers, signal));
          return true;
        } catch (error) {
          if (!(error instanceof StreamRefused) || !error.isConflict) throw error;
          if (attempts === 0) return false;
          // An earlier try of ours may have been stored, and only its answer lost; it may even be over by now.
          const queued = await this.#work.lastOfLeader(this.subject("work", name));
          return queued === undefined || holds(queued, data);
        }
      },
      { withinMs, signal },
    );
  }

  async #last(subject: string): Promise<StoredRecord | undefined> {
    const message = await this.stream.lastOfLeader(subject);
    return message === undefined ? undefined : storedRecord(message);
  }
}

/** Longer than a server takes to restart, shorter than a caller waits. */
const ACCEPT_MS = 30_000;

export function storedRecord(message: StoredMessage): StoredRecord | undefined {
  const record = readRecord(message.data);
  return record === undefined ? undefined : { sequence: message.sequence, at: Date.parse(message.time), record };
}

function encode(value: OperationRecord | OperationItem | InboxMessage): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function newHeaders(expected?: number): MsgHdrsImpl {
  const headers = new MsgHdrsImpl();
  if (expected !== undefined) headers.headers.set(EXPECTED, [String(expected)]);
  return headers;
}

function withSignal(headers: MsgHdrs, signal: AbortSignal | undefined) {
  return signal === undefined ? { headers } : { headers, signal };
}
