import { pause } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { TransportError } from "@trellis/protocol";
import type { JobJournal } from "./job-journal.ts";
import { packOf } from "./job-id.ts";
import type { CompletedInPack, JobRecordBody } from "./job-record.ts";
import { newestOf } from "./stream-store.ts";

/** What ends within so long ends with one record. */
const GATHER_MS = 1;
/** Each record tells all that was completed before too: this much of results, and what is larger gets records of its own. */
const RESULTS_BYTES = 8 * 1_024;

/** Where the records of packs are. */
type Rows = Pick<JobJournal, "append" | "ofPack">;

/** The claim of a pack in the hands of the worker that runs its jobs: says what they have completed, one record after the other. */
export class PackClaim {
  readonly #journal: Rows;
  readonly #body: JobRecordBody;
  readonly #signal: AbortSignal;
  readonly #completed: CompletedInPack[] = [];
  #sequence: number;
  #stored = 0;
  #bytes = 0;
  #split = false;
  #storing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: {
    readonly journal: Rows;
    /** The record of the claim, and its sequence. */
    readonly body: JobRecordBody;
    readonly fence: number;
    readonly signal: AbortSignal;
  }) {
    this.#journal = options.journal;
    this.#body = options.body;
    this.#sequence = options.fence;
    this.#signal = options.signal;
  }

  /** Whether it is stored now that this job is completed; otherwise the job needs a record of its own. */
  async complete(id: string, result: Json | undefined): Promise<boolean> {
    const at = packOf(id)?.at;
    const bytes = result === undefined ? 0 : JSON.stringify(result).length;
    if (at === undefined || this.#split || this.#bytes + bytes > RESULTS_BYTES) return false;
    this.#bytes += bytes;
    const place = this.#completed.push(result === undefined ? { at } : { at, result });
    await (this.#next ??= this.#storeNext());
    return place <= this.#stored;
  }

  async #storeNext(): Promise<void> {
    // One after the other: each expects the one before. Whether that one was stored is known to whoever waited for it.
    await (this.#storing?.catch(() => undefined) ?? pause(GATHER_MS, this.#signal));
    this.#next = undefined;
    this.#storing = this.#store().finally(() => (this.#storing = undefined));
    await this.#storing;
  }

  async #store(): Promise<void> {
    if (this.#split) return;
    const completed = [...this.#completed];
    const written = await this.#journal.append(
      "started",
      { ...this.#body, completed, told: this.#stored },
      { expect: { event: "started", sequence: this.#sequence }, signal: this.#signal },
    );
    if (written.kind === "stored") {
      this.#sequence = written.sequence;
      this.#stored = completed.length;
      return;
    }
    const newest = newestOf(written);
    const known = await this.#journal.ofPack(this.#body.id, newest, this.#signal);
    if ((known?.sequence ?? 0) < newest)
      // It may say that these jobs are completed: then they must not end once more.
      throw new TransportError("retry_later", { message: "What was stored of jobs created together cannot be read." });
    const ours = known?.body.claim === this.#body.claim ? known : undefined;
    // Only the answer to an earlier try was lost; or somebody has split the pack, perhaps after that try.
    this.#stored = ours?.body.completed?.length ?? this.#stored;
    this.#sequence = ours?.sequence ?? this.#sequence;
    this.#split = ours === undefined || ours.body.for === "split";
  }
}
