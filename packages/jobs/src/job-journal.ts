import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { JOBS_STREAM, jobSubject } from "@trellis/contracts";
import { priorityOf } from "./job-id.ts";
import { readJobSubject, readRecordBody, writeRecord } from "./job-record.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import type { JobEvent } from "./job-state.ts";
import { readLast, storeMessage } from "./stream-store.ts";
import type { Appended, StoreOptions } from "./stream-store.ts";

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
  readonly follows?: { readonly sequence: number; readonly claim: string | undefined };
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

  /** Sends a record that is stored while the claim lasts and dropped afterwards; nobody waits for it. */
  note(event: JobEvent, body: JobRecordBody, claimedAt: number): void {
    const headers = this.#headers(body.id, event, { event: "started", sequence: claimedAt });
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
    const found = await readLast(link, JOBS_STREAM, this.subject(id, event), { fresh, atLeast, signal });
    return found === undefined ? undefined : toRecord(found.subject, found.sequence, found.time, found.data);
  }

  #headers(id: string, event: JobEvent, expect: AppendOptions["expect"]): MsgHdrsImpl {
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-Expected-Last-Subject-Sequence", [String(expect.sequence)]);
    if (expect.event !== event)
      headers.headers.set("Nats-Expected-Last-Subject-Sequence-Subject", [this.subject(id, expect.event)]);
    return headers;
  }
}

/** A stored message as a record of a job; nothing when it is not one. */
export function toRecord(subject: string, sequence: number, time: string, data: Uint8Array): JobRecord | undefined {
  const named = readJobSubject(subject);
  const body = readRecordBody(data);
  if (named === undefined || body === undefined || !Number.isSafeInteger(sequence)) return undefined;
  const { service, queue, id, event } = named;
  return { service, queue, event, sequence, at: Date.parse(time), body: body.id === id ? body : { ...body, id } };
}
