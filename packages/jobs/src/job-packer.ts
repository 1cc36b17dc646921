import { newJobId, jobIdInPack, PACK_MOST } from "./job-id.ts";
import type { JobRecordBody } from "./job-record.ts";

/** Makes the record of a job, given its id. */
type RecordOf = (id: string) => JobRecordBody;

interface Waiting {
  readonly recordOf: RecordOf;
  readonly bytes: number;
  readonly since: number;
  readonly stored: PromiseWithResolvers<string>;
}

/** Stores a record whose jobs have waited here for so long, the newest of them. */
type Store = (record: JobRecordBody, waitedMs: number) => Promise<unknown>;

/** A worker takes a pack in one message, and whoever asks about one job may have to read all of it. */
const PACK_BYTES = 32 * 1024;
/** While so many records are on their way, what is created meanwhile waits for one of them, and then goes together. */
const ON_THEIR_WAY = 4;

/**
 * Stores jobs that are created at about the same time as one record: the stream takes a message of sixty-four jobs about as fast
 * as a message of one. A job that is created alone is stored at once and by itself.
 */
export class JobPacker {
  readonly #store: Store;
  readonly #nowMs: () => number;
  #waiting: Waiting[] = [];
  #onTheirWay = 0;
  #called = false;

  constructor(store: Store, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /** Resolves with the id of the job when it is stored; `bytes` is about how large its record is. */
  add(recordOf: RecordOf, bytes: number): Promise<string> {
    const stored = Promise.withResolvers<string>();
    this.#waiting.push({ recordOf, bytes, since: performance.now(), stored });
    if (!this.#called && this.#onTheirWay < ON_THEIR_WAY) {
      this.#called = true;
      // What the same turn of the event loop still creates goes along.
      queueMicrotask(() => {
        this.#called = false;
        this.#send();
      });
    }
    return stored.promise;
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#onTheirWay < ON_THEIR_WAY) {
      this.#onTheirWay += 1;
      void this.#storePack(this.#takePack()).finally(() => {
        this.#onTheirWay -= 1;
        this.#send();
      });
    }
  }

  #takePack(): readonly Waiting[] {
    let bytes = 0;
    const most = this.#waiting.findIndex(
      (each, at) => at === PACK_MOST || ((bytes += each.bytes) > PACK_BYTES && at > 0),
    );
    return this.#waiting.splice(0, most < 0 ? this.#waiting.length : most);
  }

  async #storePack(pack: readonly Waiting[]): Promise<void> {
    const id = newJobId(this.#nowMs());
    const ids = pack.length === 1 ? [id] : pack.map((_, at) => jobIdInPack(id, at));
    try {
      const jobs = pack.map(({ recordOf }, at) => recordOf(ids[at] ?? id));
      const [first] = jobs;
      const newest = pack.at(-1);
      if (first === undefined || newest === undefined) return;
      const record = jobs.length === 1 ? first : { id, context: { requestId: id }, jobs };
      await this.#store(record, performance.now() - newest.since);
      for (const [at, { stored }] of pack.entries()) stored.resolve(ids[at] ?? id);
    } catch (error) {
      for (const { stored } of pack) stored.reject(error);
    }
  }
}
