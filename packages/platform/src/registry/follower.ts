import { pause } from "@trellis/client/internal";
import { createInbox } from "@nats-io/nats-core";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import type { Log } from "../log.ts";
import { CommitAssembler } from "./commit-assembler.ts";
import type { IncomingRecord } from "./commit-assembler.ts";
import { decodeEnvelope } from "./envelope.ts";
import { jsApi, storedMessage, streamState } from "./jetstream-api.ts";
import { parseRecordSubject, REGISTRY_STREAM, REGISTRY_SUBJECTS } from "./record-subject.ts";
import type { View } from "./view.ts";

export interface FollowerOptions {
  readonly log: Log;
  /** Markers of expired records live this long: away for longer, the view lists everything again. */
  readonly markerTtlMs: number;
  /** Made by whoever owns the stream; called when the stream is gone. */
  readonly ensure: () => Promise<unknown>;
}

const HEARTBEAT_MS = 1_000;
const SILENCE_MS = 3 * HEARTBEAT_MS;
/** A batch that stays open this long has lost its last member to a later commit that is gone too. */
const OPEN_BATCH_MS = 1_000;
const BACKOFF_MS = [50, 100, 250, 500, 1_000, 2_000];
/** How often what is new is read while there is no consumer, and how far behind that may be done one by one. */
const PULL_MS = 200;
const MAX_PULLED = 2_000;
/** Long enough for a busy leader; one that is gone does not answer however long one waits. */
const API_TIMEOUT_MS = 2_000;
/** The server forgets a consumer nobody listens to after this. */
const INACTIVE_MS = 30_000;

/**
 * Keeps a view equal to the registry's stream, for ever.
 *
 * 1. One ordered consumer of our own at a time. A missing message, a missed heartbeat, a reconnect or a vanished
 *    consumer ends it, and the next one begins after the last applied commit.
 * 2. Away for longer than half the life of the markers, deletions may have been missed: everything is listed again and
 *    the difference applied. The same when the stream was rebuilt (another epoch).
 * 3. Nothing that arrives or fails ends the loop; only `close` does.
 * 4. A consumer needs more of a cluster than a read does (the meta leader, a living peer: seconds to half a minute after
 *    a node was killed). While there is none, what is new is read from the stream's leader message by message.
 */
export class Follower {
  readonly #nc: NatsConnection;
  readonly #view: View;
  readonly #options: FollowerOptions;
  readonly #closing = new AbortController();
  #epoch: string | undefined;
  #currentAt = Number.NEGATIVE_INFINITY;
  readonly #loaded: Promise<void>;
  readonly #running: Promise<unknown>;
  #following = false;
  #pulling: Promise<void> | undefined;

  constructor(nc: NatsConnection, view: View, options: FollowerOptions) {
    this.#nc = nc;
    this.#view = view;
    this.#options = options;
    const loaded = Promise.withResolvers<void>();
    this.#loaded = loaded.promise;
    this.#running = Promise.all([this.#run(loaded.resolve), this.#pullWhileDown()]);
  }

  /** Resolves when the view has been filled for the first time. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /** Changes when the registry was rebuilt: revisions of different epochs cannot be compared. */
  get epoch(): string {
    return this.#epoch ?? "";
  }

  /** When the view was last known to be current (`performance.now()`). */
  get currentAt(): number {
    return this.#currentAt;
  }

  /** Reads what is new from the stream's leader. Throws when it does not answer. */
  pull(): Promise<void> {
    this.#pulling ??= this.#pullNow().finally(() => (this.#pulling = undefined));
    return this.#pulling;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #pullWhileDown(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await pause(PULL_MS, signal);
      // It only bridges a gap; the loop that makes consumers reports what is wrong.
      if (!this.#following && !signal.aborted) await this.pull().catch(() => undefined);
    }
  }

  /**
   * Everything up to the present end of the stream, as one commit. What is written while we read may replace a member of
   * a batch we have half of, so the end is asked for again until nothing has come after what we read.
   */
  async #pullNow(): Promise<void> {
    if (this.#epoch === undefined || performance.now() - this.#currentAt > this.#options.markerTtlMs / 2) return;
    const from = this.#view.revision;
    const records: IncomingRecord[] = [];
    let readTo = from;
    for (;;) {
      const { created, lastSeq } = await streamState(this.#nc, REGISTRY_STREAM);
      if (created !== this.#epoch || lastSeq < from || lastSeq - from > MAX_PULLED) return;
      if (lastSeq === readTo) break;
      await this.#readStored(readTo + 1, lastSeq, records);
      readTo = lastSeq;
    }
    if (this.#view.revision !== from) return;
    if (records.length > 0) this.#view.apply(records);
    this.#view.advanceTo(readTo);
    this.#currentAt = performance.now();
  }

  async #readStored(first: number, last: number, into: IncomingRecord[]): Promise<void> {
    for (let seq = first; seq <= last;) {
      const message = await storedMessage(this.#nc, REGISTRY_STREAM, { seq, next_by_subj: REGISTRY_SUBJECTS });
      if (!message || message.seq > last) return;
      seq = message.seq + 1;
      const key = parseRecordSubject(message.subject);
      const envelope = decodeEnvelope(message.data);
      if (key && envelope) into.push({ ...key, envelope, seq: message.seq, time: Date.parse(message.time) });
    }
  }

  async #run(loaded: () => void): Promise<void> {
    const { log } = this.#options;
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      try {
        await this.#follow(() => {
          failures = 0;
          loaded();
        });
      } catch (error) {
        this.#following = false;
        if (this.#closing.signal.aborted) return;
        const delayMs = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 1_000;
        failures += 1;
        log.warn("the registry view lost its stream and begins again", { error: messageOf(error), failures, delayMs });
        await pause(delayMs, this.#closing.signal);
        await this.#options.ensure().catch((problem: unknown) => {
          log.warn("the registry stream does not answer", { error: messageOf(problem) });
        });
      }
    }
  }

  /** One consumer, from its creation until it fails. */
  async #follow(current: () => void): Promise<void> {
    const state = await streamState(this.#nc, REGISTRY_STREAM);
    const first = this.#epoch === undefined;
    const rebuilt = !first && (state.created !== this.#epoch || state.lastSeq < this.#view.revision);
    const awayMs = performance.now() - this.#currentAt;
    const listing = first || rebuilt || awayMs > this.#options.markerTtlMs / 2;
    if (!first && listing)
      this.#options.log.info("the registry view lists everything again", { rebuilt, awayMs: Math.round(awayMs) });

    const failed = Promise.withResolvers<never>();
    const name = `view-${crypto.randomUUID()}`;
    const inbox = createInbox();
    const reader = new Reader({
      view: this.#view,
      log: this.#options.log,
      listing: listing ? { lastSeq: state.lastSeq, direct: first, rebuilt } : undefined,
      onListed: () => (this.#epoch = state.created),
      onCurrent: () => {
        this.#currentAt = performance.now();
        this.#following = true;
        current();
      },
      onAlive: () => (this.#currentAt = performance.now()),
      fail: (why) => failed.reject(new Error(why)),
    });
    const subscription = this.#nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error) failed.reject(error);
        else reader.take(message);
      },
    });
    const stopWatching = this.#watchConnection(() => failed.reject(new Error("the connection was re-established")));
    const watchdog = setInterval(() => reader.check(), HEARTBEAT_MS / 2);
    const closed = (): void => failed.reject(new Error("closed"));
    this.#closing.signal.addEventListener("abort", closed, { once: true });
    failed.promise.catch(() => undefined);
    try {
      const created = await jsApi<{ num_pending: number }>(
        this.#nc,
        `CONSUMER.CREATE.${REGISTRY_STREAM}.${name}.${REGISTRY_SUBJECTS}`,
        {
          stream_name: REGISTRY_STREAM,
          action: "create",
          config: {
            name,
            deliver_subject: inbox,
            ...(listing
              ? { deliver_policy: "last_per_subject" }
              : { deliver_policy: "by_start_sequence", opt_start_seq: this.#view.revision + 1 }),
            filter_subject: REGISTRY_SUBJECTS,
            ack_policy: "none",
            max_deliver: 1,
            idle_heartbeat: HEARTBEAT_MS * 1e6,
            flow_control: true,
            num_replicas: 1,
            mem_storage: true,
            inactive_threshold: INACTIVE_MS * 1e6,
          },
        },
        API_TIMEOUT_MS,
      );
      if (created.num_pending === 0) reader.nothingPending();
      await failed.promise;
    } finally {
      this.#closing.signal.removeEventListener("abort", closed);
      clearInterval(watchdog);
      stopWatching();
      subscription.unsubscribe();
      // Best effort: the server forgets it by itself.
      if (!this.#nc.isClosed())
        void jsApi(this.#nc, `CONSUMER.DELETE.${REGISTRY_STREAM}.${name}`, undefined, 1_000).catch(() => undefined);
    }
  }

  #watchConnection(onReconnect: () => void): () => void {
    const statuses = this.#nc.status();
    let watching = true;
    void (async () => {
      for await (const status of statuses) if (watching && status.type === "reconnect") onReconnect();
    })().catch(() => undefined);
    return () => {
      watching = false;
      // `stop` exists on the iterator nats.js returns, though its type does not say so.
      if ("stop" in statuses && typeof statuses.stop === "function") statuses.stop();
    };
  }
}

interface ReaderOptions {
  readonly view: View;
  readonly log: Log;
  /** Set while everything is being listed. `direct`: nobody reads the view yet. */
  readonly listing: { readonly lastSeq: number; readonly direct: boolean; readonly rebuilt: boolean } | undefined;
  /** Just before a whole listing is shown. */
  readonly onListed: () => void;
  readonly onCurrent: () => void;
  readonly onAlive: () => void;
  readonly fail: (why: string) => void;
}

/** Turns the messages of one consumer into commits of the view. */
class Reader {
  readonly #options: ReaderOptions;
  readonly #assembler = new CommitAssembler();
  readonly #listed: IncomingRecord[] = [];
  #listing: ReaderOptions["listing"];
  #delivered = 0;
  #heardAt = performance.now();
  #current = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#listing = options.listing;
  }

  take(message: Msg): void {
    this.#heardAt = performance.now();
    if (message.headers?.code === 100) {
      this.#takeStatus(message);
      return;
    }
    const delivery = parseDelivery(message.reply);
    if (!delivery) return;
    this.#delivered += 1;
    if (delivery.consumerSeq !== this.#delivered) {
      this.#options.fail(`message ${this.#delivered} is missing`);
      return;
    }
    const key = parseRecordSubject(message.subject);
    const envelope = decodeEnvelope(message.data);
    if (!key || !envelope) {
      this.#options.log.error("a message in the registry is not a record and is passed over", {
        subject: message.subject,
        sequence: delivery.seq,
      });
      if (delivery.pending === 0) this.nothingPending(delivery.seq);
      return;
    }
    this.#takeRecord({ ...key, envelope, seq: delivery.seq, time: delivery.time }, delivery.pending);
    if (delivery.pending === 0) this.nothingPending();
  }

  /** The stream has no more for us now. */
  nothingPending(passedOver?: number): void {
    const listing = this.#listing;
    if (listing) {
      this.#listing = undefined;
      const last = this.#listed.at(-1)?.seq ?? 0;
      this.#options.onListed();
      const revision = Math.max(listing.lastSeq, last, passedOver ?? 0, this.#lastDirect);
      if (listing.direct) this.#options.view.advanceTo(revision);
      else this.#options.view.replaceWith(this.#listed, revision, listing.rebuilt);
      this.#listed.length = 0;
    } else if (passedOver !== undefined && !this.#assembler.holding) this.#options.view.advanceTo(passedOver);
    if (this.#current) return;
    this.#current = true;
    this.#options.onCurrent();
  }

  /** Called now and then: notices silence and batches that stay open. */
  check(): void {
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs > SILENCE_MS) this.#options.fail(`nothing heard for ${Math.round(silentMs)} ms`);
    else if (silentMs > OPEN_BATCH_MS && this.#assembler.holding) this.#options.view.apply(this.#assembler.release());
  }

  #lastDirect = 0;

  #takeRecord(record: IncomingRecord, pending: number): void {
    if (this.#listing) {
      if (this.#listing.direct) {
        this.#lastDirect = record.seq;
        this.#options.view.load(record);
      } else this.#listed.push(record);
      return;
    }
    const commit = this.#assembler.push(record, pending);
    if (commit) this.#options.view.apply(commit);
    this.#options.onAlive();
  }

  #takeStatus(message: Msg): void {
    if (message.reply) message.respond();
    const stalled = message.headers?.get("Nats-Consumer-Stalled");
    if (stalled) this.#options.fail("the consumer stalled");
    const lastDelivered = message.headers?.get("Nats-Last-Consumer");
    if (lastDelivered && Number(lastDelivered) > this.#delivered) {
      this.#options.fail(`${Number(lastDelivered) - this.#delivered} messages are missing`);
    } else if (this.#current) this.#options.onAlive();
  }
}

interface Delivery {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly time: number;
  readonly pending: number;
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<time>.<pending>[.<token>]`. */
function parseDelivery(reply: string | undefined): Delivery | undefined {
  const tokens = reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const at = tokens.length >= 11 ? 7 : 5;
  const [seq, consumerSeq, time, pending] = tokens.slice(at, at + 4).map(Number);
  if (seq === undefined || consumerSeq === undefined || time === undefined || pending === undefined) return undefined;
  return { seq, consumerSeq, time: time / 1e6, pending };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
