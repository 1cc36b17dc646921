import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { JOBS_STREAM, jobSubject } from "@trellis/contracts";
import { packOf, priorityOf } from "./job-id.ts";
import { readJobSubject, writeRecord } from "./job-record.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import type { JobEvent } from "./job-state.ts";
import { readLast, storeMessage } from "./stream-store.ts";
import type { Appended, StoredMessage, StoreOptions } from "./stream-store.ts";
import { readRecord, recordInPack } from "./stored-records.ts";

export interface JournalOptions {
  readonly link: Link;
  readonly service: string;
  readonly queue: string;
  /** Reads ask the stream's leader; only the control plane may. */
  readonly fresh?: boolean;
}

export interface AppendOptions extends StoreOptions {
  /** Stored only while the last record of `event` of this job has this sequence (0: there is none). */
  readonly expect: { readonly event: JobEvent; readonly sequence: number };
  /**
   * What this record follows. Of two records that follow the same one only the first is stored, whatever the
   * expectations say: a claim cannot pass the terminal that was written just before it. The stream keeps message ids apart
   * for all services together, so the id holds the claim of the record that is followed: nobody else has read it, and who
   * could guess an id could use it before us.
   */
  readonly follows?: { readonly sequence: number; readonly claim: string | undefined } | undefined;
}

/** The records of the jobs of one queue. */
export class JobJournal {
  readonly #options: JournalOptions;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Records that make work carry the priority of their job in their subject: its work waits by itself. */
  subject(id: string, event: JobEvent | "*"): string {
    const { service, queue } = this.#options;
    const priority = event === "created" || event === "retried" ? priorityOf(id) : undefined;
    return jobSubject(service, queue, id, priority === undefined ? event : `${event}_${priority}`);
  }

  /** Stores a record if its expectation holds; goes on trying while NATS is away. */
  append(event: JobEvent, body: JobRecordBody, options: AppendOptions): Promise<Appended> {
    const headers = this.#headers(body.id, event, options.expect);
    const { follows } = options;
    if (follows !== undefined)
      headers.headers.set("Nats-Msg-Id", [`${body.id}.${follows.sequence}.${follows.claim ?? ""}`]);
    return storeMessage(this.#options.link, this.subject(body.id, event), writeRecord(body), headers, options);
  }

  /** Sends a record that is stored while this is the sequence of the newest claim and dropped afterwards; nobody waits for it. */
  note(event: JobEvent, body: JobRecordBody, claim: number): void {
    const headers = this.#headers(body.id, event, { event: "started", sequence: claim });
    this.#options.link.publish(this.subject(body.id, event), writeRecord(body), { headers });
  }

  /** The newest record of a job, or of one event of it; read again until it is at least as new as `atLeast`. */
  async last(
    id: string,
    event: JobEvent | "*" = "*",
    atLeast = 0,
    signal?: AbortSignal,
  ): Promise<JobRecord | undefined> {
    const { link, fresh } = this.#options;
    const within = packOf(id);
    const own = this.subject(id, event);
    const found = await readLast(link, JOBS_STREAM, within === undefined ? [own] : this.#subjects(own, within, event), {
      fresh,
      atLeast,
      signal,
    });
    if (found === undefined) return undefined;
    if (within !== undefined && readJobSubject(found.subject)?.id !== id) return recordInPack(found, within.at, event);
    const last = readRecord(found);
    if (event !== "*" || within === undefined || (last?.event !== "progress" && last?.event !== "logged")) return last;
    // Of what happens under the claim of a pack, notes alone are stored of the job itself: it may be completed since.
    const pack = await this.#storedOfPack(within.pack, 0, signal);
    return (pack && recordInPack(pack, within.at, "completed")) ?? last;
  }

  /** The claim of a pack, with what was completed under it. */
  async ofPack(pack: string, atLeast: number, signal?: AbortSignal): Promise<JobRecord | undefined> {
    const found = await this.#storedOfPack(pack, atLeast, signal);
    return found && readRecord(found);
  }

  #storedOfPack(pack: string, atLeast: number, signal: AbortSignal | undefined): Promise<StoredMessage | undefined> {
    const { link, fresh } = this.#options;
    return readLast(link, JOBS_STREAM, [this.subject(pack, "started")], { fresh, atLeast, signal });
  }

  /** Where the newest record of a job of a pack may be: but for notes, what is stored of it alone is newer than what is of the whole pack. */
  #subjects(own: string, { pack }: { readonly pack: string }, event: JobEvent | "*"): readonly string[] {
    const created = this.subject(pack, "created");
    const claimed = this.subject(pack, "started");
    switch (event) {
      case "*":
        return [own, claimed, created];
      case "created":
        return [created];
      case "started":
      case "completed":
        return [own, claimed];
      default:
        return [own];
    }
  }

  #headers(id: string, event: JobEvent, expect: AppendOptions["expect"]): MsgHdrsImpl {
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-Expected-Last-Subject-Sequence", [String(expect.sequence)]);
    if (expect.event !== event)
      headers.headers.set("Nats-Expected-Last-Subject-Sequence-Subject", [this.subject(id, expect.event)]);
    return headers;
  }
}

/** What a record that follows this claim expects of the claims of its job: one of the whole pack is none of them. */
export function expectedAfter(claim: JobRecord | undefined): number {
  return claim === undefined || claim.inPack ? 0 : claim.sequence;
}

/** What the next claim follows: an end or a claim of the job itself, or else the claim of its pack. */
export function followOf(last: JobRecord | undefined, packClaim: string | undefined): AppendOptions["follows"] {
  const claim = last?.body.claim ?? packClaim;
  return last === undefined && claim === undefined ? undefined : { sequence: expectedAfter(last), claim };
}
