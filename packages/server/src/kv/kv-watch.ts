import { pause, reconnectDelayMs } from "@trellis/client/internal";
import type { LinkSubscription } from "@trellis/client/internal";
import { isPassing, persist } from "../jetstream/persist.ts";
import { fromDelivery } from "../jetstream/stored-message.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import type { BucketParts } from "./bucket-parts.ts";
import { toKvError } from "./kv-error.ts";
import { filterSubject, keySubject } from "./kv-keys.ts";
import { readChange } from "./kv-reads.ts";
import { endOf } from "./kv-record.ts";
import type { KvChange, KvHistoryEntry, KvWatchOptions } from "./kv-types.ts";
import { LatestChanges } from "./latest-changes.ts";

/** When a watch reads again although nothing seems to be missing. */
export interface WatchTimes {
  /** What changed since the last time. */
  readonly resyncMs: number;
  /** Every so many times everything, which finds keys that went without a trace. */
  readonly fullEvery: number;
}

export const WATCH_TIMES: WatchTimes = { resyncMs: 60_000, fullEvery: 10 };

/** Changes kept while a read is under way; more of them are read again instead. */
const MOST_WAITING = 10_000;

/** A message as far as it is kept until it is told. */
interface Heard {
  readonly key: string;
  readonly sequence: number;
  /** When the bucket took it. */
  readonly time: string;
  readonly live: boolean;
  readonly change: { readonly type: "stored"; readonly message: StoredMessage } | { readonly type: "large" };
}

/**
 * Watches a bucket without a consumer: the bucket republishes what it stores, and reading fills what that misses.
 *
 * 1. Changes are heard from before the first read on; those that come during a read wait for its end.
 * 2. A key moves forward only: what is not newer than what was told of it is dropped.
 * 3. `#through` is the sequence up to which nothing can be missing. A change that names a predecessor nobody told of, a new
 *    connection, and time, each cause a read from there.
 * 4. After a new connection, and every tenth time, everything is read: a key that is missing then is gone.
 * 5. What is later and has a smaller sequence is of a bucket that was made anew or restored: everything counts again.
 */
class BucketWatch<V> {
  readonly #parts: BucketParts<V>;
  readonly #subject: string;
  readonly #stream: string;
  readonly #times: WatchTimes;
  readonly #holdBytes: number;
  readonly #out: LatestChanges;
  readonly #ended = new AbortController();
  readonly #subscription: LinkSubscription;
  readonly #stopListening: () => void;
  /** What was told of each key. */
  readonly #told = new Map<string, { sequence: number; live: boolean }>();
  #through = 0;
  /** The last that was told, by sequence. */
  #newest = { sequence: 0, time: "" };
  #waiting: Heard[] = [];
  #reading: Promise<void> | undefined;
  #readAgain: "changes" | "everything" | undefined;
  #rounds = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    parts: BucketParts<V>,
    filter: string,
    out: LatestChanges,
    { holdBytes, ...times }: WatchTimes & { readonly holdBytes: number },
  ) {
    const { bucket, link } = parts;
    this.#parts = parts;
    this.#subject = filterSubject(`$KV.${bucket}`, filter);
    this.#stream = `KV_${bucket}`;
    this.#times = times;
    this.#holdBytes = holdBytes;
    this.#out = out;
    this.#subscription = link.subscribe(filterSubject(`kvr.${bucket}`, filter), {
      fromJetStream: true,
      onMessage: (message) => {
        // A delivery of somebody's consumer, made to come here, wants an acknowledgement; what a bucket republishes does not.
        if (message.reply !== undefined && message.reply !== "") return;
        const stored = fromDelivery(message, this.#stream);
        if (stored === undefined || stored.subject !== `$KV.${message.subject.slice("kvr.".length)}`) return;
        this.#hear(this.#heard(stored), stored.before);
      },
    });
    this.#stopListening = link.onState((state) => {
      if (state === "connected") this.#read("everything");
      if (state === "closed") this.end();
    });
    this.#read("everything");
  }

  end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    clearTimeout(this.#timer);
    this.#stopListening();
    this.#subscription.close();
    this.#out.end();
  }

  #heard(message: StoredMessage): Heard {
    const isLarge = message.data.length > this.#holdBytes;
    return {
      key: message.subject.slice("$KV.".length + this.#parts.bucket.length + 1),
      sequence: message.sequence,
      time: message.time,
      live: endOf(message) === undefined,
      change: isLarge ? { type: "large" } : { type: "stored", message },
    };
  }

  #hear(heard: Heard, before: number): void {
    if (this.#reading !== undefined) {
      if (this.#waiting.length < MOST_WAITING) this.#waiting.push(heard);
      else this.#readAgain ??= "changes";
      return;
    }
    const told = this.#told.get(heard.key)?.sequence ?? 0;
    this.#tell(heard);
    if (before > Math.max(told, this.#through)) this.#read("changes");
  }

  #tell({ key, sequence, time, live, change }: Heard): void {
    if (sequence > this.#newest.sequence) this.#newest = { sequence, time };
    else if (sequence < this.#newest.sequence && Date.parse(time) > Date.parse(this.#newest.time)) {
      this.#newest = { sequence, time };
      this.#beginAnew();
    }
    const told = this.#told.get(key);
    if (told !== undefined && told.sequence >= sequence) return;
    this.#told.set(key, { sequence, live });
    this.#parts.newest.saw(key, sequence);
    // The end of what nobody knew is no news.
    if (live || told?.live === true) this.#out.add({ key, ...change });
  }

  #beginAnew(): void {
    this.#through = 0;
    for (const told of this.#told.values()) told.sequence = 0;
    this.#read("everything");
  }

  #read(what: "changes" | "everything"): void {
    if (this.#ended.signal.aborted) return;
    clearTimeout(this.#timer);
    if (this.#reading !== undefined) {
      if (this.#readAgain !== "everything") this.#readAgain = what;
      return;
    }
    this.#reading = this.#readUntilDone(what).then(
      () => {
        this.#reading = undefined;
        const again = this.#readAgain;
        this.#readAgain = undefined;
        if (again !== undefined) return this.#read(again);
        this.#out.ready();
        if (this.#ended.signal.aborted) return;
        this.#rounds += 1;
        const next = this.#rounds % this.#times.fullEvery === 0 ? "everything" : "changes";
        this.#timer = setTimeout(() => this.#read(next), this.#times.resyncMs);
      },
      (error: unknown) => {
        this.#out.fail(error);
        this.end();
      },
    );
  }

  async #readUntilDone(what: "changes" | "everything"): Promise<void> {
    for (let attempt = 0; !this.#ended.signal.aborted; attempt += 1) {
      try {
        await this.#readOnce(what);
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await pause(Math.min(1_000, reconnectDelayMs(attempt)), this.#ended.signal);
      }
    }
  }

  async #readOnce(what: "changes" | "everything"): Promise<void> {
    const { stream } = this.#parts;
    const everything = what === "everything" || this.#through === 0;
    const found: Heard[] = [];
    const through = await stream.readThrough(this.#subject, everything ? 1 : this.#through + 1, (message) =>
      found.push(this.#heard(message)),
    );
    // The bucket is younger than what was told: it was made anew or restored. Everything in it counts again.
    if (through < this.#through) {
      if (!everything) return this.#readOnce("everything");
      for (const told of this.#told.values()) told.sequence = 0;
    }
    for (const heard of found) this.#tell(heard);
    if (everything) this.#missing(new Set(found.map(({ key }) => key)), through);
    this.#through = through;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const heard of waiting) if (heard.sequence > through) this.#tell(heard);
  }

  /** What a reading of everything did not find has ended, unless it is newer than the reading. */
  #missing(found: ReadonlySet<string>, through: number): void {
    for (const [key, told] of this.#told) {
      if (found.has(key) || told.sequence > through) continue;
      this.#told.delete(key);
      if (told.live) this.#out.gone(key, through);
    }
  }
}

/** What is stored under a key now: what was to be told of it, or something newer. */
async function readNow<V>(parts: BucketParts<V>, key: string): Promise<KvHistoryEntry<V>> {
  const message = await persist(parts.link, () => parts.stream.lastOfLeader(keySubject(parts.bucket, key)));
  if (message !== undefined) return readChange(parts, key, message);
  return { type: "end", reason: "gone", key, revision: 0, at: new Date() };
}

/** See `Kv.watch`. */
export async function* watchBucket<V>(
  parts: BucketParts<V>,
  filter: string,
  options: KvWatchOptions,
  times: Partial<WatchTimes> = {},
): AsyncGenerator<KvChange<V>, void, undefined> {
  const { signal, initial = true, holdBytes = Number.POSITIVE_INFINITY } = options;
  if (signal?.aborted === true) return;
  const out = new LatestChanges(initial);
  let watch: BucketWatch<V>;
  try {
    watch = new BucketWatch(parts, filter, out, { ...WATCH_TIMES, ...times, holdBytes });
  } catch (error) {
    throw toKvError(error, parts.bucket);
  }
  const stop = (): void => watch.end();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const next = await out.next();
      if (next === undefined) return;
      if (next.type === "ready") yield next;
      else if (next.type === "gone")
        yield { type: "end", reason: "gone", key: next.key, revision: next.revision, at: new Date() };
      else if (next.type === "large") yield await readNow(parts, next.key);
      else yield readChange(parts, next.key, next.message);
    }
  } catch (error) {
    throw toKvError(error, parts.bucket);
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}
