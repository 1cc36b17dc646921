import { MsgHdrsImpl } from "@nats-io/nats-core";
import { pause } from "@trellis/client/internal";
import type { Link, LinkMessage } from "@trellis/client/internal";
import { JOBS_STREAM, jobSubject, LEADER_READ_PREFIX } from "@trellis/contracts";
import { TransportError } from "@trellis/protocol";
import { readJobSubject, readRecordBody, writeRecord } from "./job-record.ts";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import type { JobEvent } from "./job-state.ts";
import { isNotFound, readAnswer } from "./stream-answer.ts";

export interface JournalOptions {
  readonly link: Link;
  readonly service: string;
  readonly queue: string;
  /** Reads ask the stream's leader; only the control plane may. */
  readonly fresh?: boolean;
}

export interface AppendOptions {
  /** Stored only while the last record of `event` of this job has this sequence (0: there is none). */
  readonly expect: { readonly event: JobEvent; readonly sequence: number };
  /**
   * What this record follows. Of two records that follow the same one only the first is stored, whatever the
   * expectations say: a claim cannot pass the terminal that was written just before it. The stream keeps message ids apart
   * for all services together, so the id holds the claim of the record that is followed: nobody else has read it, and who
   * could guess an id could use it before us.
   */
  readonly follows?: { readonly sequence: number; readonly claim: string | undefined };
  /** Gives up; without it only a closed link does. */
  readonly signal?: AbortSignal;
  readonly withinMs?: number;
}

export type Appended =
  | { readonly kind: "stored"; readonly sequence: number }
  /** Something else follows the same record already, or an earlier try of ours did get through. */
  | { readonly kind: "overtaken"; readonly sequence: number }
  | { readonly kind: "refused"; readonly lastSequence: number | undefined };

/** One try waits this long; JetStream answers in milliseconds. */
const TRY_MS = 2_000;
const LONGEST_TRY_MS = 10_000;
const LONGEST_PAUSE_MS = 500;

/** The records of the jobs of one queue. */
export class JobJournal {
  readonly #options: JournalOptions;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  subject(id: string, event: JobEvent | "*"): string {
    return jobSubject(this.#options.service, this.#options.queue, id, event);
  }

  /** Stores a record if its expectation holds; goes on trying while NATS is away. */
  async append(event: JobEvent, body: JobRecordBody, options: AppendOptions): Promise<Appended> {
    const { link } = this.#options;
    const subject = this.subject(body.id, event);
    const data = writeRecord(body);
    const headers = this.#headers(body.id, event, options.expect);
    const { follows } = options;
    if (follows !== undefined)
      headers.headers.set("Nats-Msg-Id", [`${body.id}.${follows.sequence}.${follows.claim ?? ""}`]);
    const endsAt = performance.now() + (options.withinMs ?? Number.POSITIVE_INFINITY);
    for (let tries = 0; ; tries += 1) {
      try {
        const timeoutMs = Math.min(TRY_MS * 2 ** tries, LONGEST_TRY_MS, Math.max(1, endsAt - performance.now()));
        const answer = readAnswer(await link.request(subject, data, { inbox: "a", headers, timeoutMs }));
        if (answer.kind === "stored")
          return answer.duplicate ? { kind: "overtaken", sequence: answer.sequence } : answer;
        if (answer.kind === "refused") return answer;
        if (!answer.passing) throw answer.error;
        if (performance.now() >= endsAt) throw answer.error;
      } catch (error) {
        if (!(error instanceof TransportError) || !PASSING.has(error.code)) throw error;
        if (link.state === "closed" || performance.now() >= endsAt) throw error;
      }
      if (!(await pause(Math.min(LONGEST_PAUSE_MS, 20 * 2 ** Math.min(tries, 6)), options.signal)))
        throw new TransportError("cancelled");
    }
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
    const { link } = this.#options;
    let trouble: TransportError | undefined;
    for (let tries = 0; ; tries += 1) {
      try {
        const found = await this.#read(this.subject(id, event));
        if ((found?.sequence ?? 0) >= atLeast) return found;
        if (tries >= STALE_TRIES) return found;
      } catch (error) {
        if (!(error instanceof TransportError) || !PASSING.has(error.code) || link.state === "closed") throw error;
        trouble = error;
        if (tries >= STALE_TRIES) throw trouble;
      }
      if (!(await pause(Math.min(LONGEST_PAUSE_MS, 5 * 2 ** Math.min(tries, 7)), signal)))
        throw new TransportError("cancelled");
    }
  }

  async #read(subject: string): Promise<JobRecord | undefined> {
    const { link, fresh = false } = this.#options;
    if (fresh) {
      const request = new TextEncoder().encode(JSON.stringify({ last_by_subj: subject }));
      return readLeaderAnswer(
        await link.request(`${LEADER_READ_PREFIX}.${JOBS_STREAM}`, request, { inbox: "a", timeoutMs: TRY_MS }),
      );
    }
    const answer = await link.request(`$JS.API.DIRECT.GET.${JOBS_STREAM}.${subject}`, NOTHING, {
      inbox: "a",
      timeoutMs: TRY_MS,
    });
    return readDirectAnswer(answer);
  }

  #headers(id: string, event: JobEvent, expect: AppendOptions["expect"]): MsgHdrsImpl {
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-Expected-Last-Subject-Sequence", [String(expect.sequence)]);
    if (expect.event !== event)
      headers.headers.set("Nats-Expected-Last-Subject-Sequence-Subject", [this.subject(id, expect.event)]);
    return headers;
  }
}

const NOTHING = new Uint8Array(0);
const PASSING: ReadonlySet<string> = new Set(["timeout", "no_responders", "disconnected"]);
/** About ten seconds: longer than a follower needs, shorter than anybody would wait. */
const STALE_TRIES = 24;

function readDirectAnswer({ headers, data }: LinkMessage): JobRecord | undefined {
  if (headers === undefined) throw new TransportError("invalid_reply");
  if (headers.code === 404) return undefined;
  // Twice means that somebody else wrote the first.
  const streams = headers.values("Nats-Stream");
  if (streams.length !== 1 || streams[0] !== JOBS_STREAM) {
    throw new TransportError("no_responders", {
      message: `JetStream did not answer with a record (${headers.code} ${headers.description}).`,
    });
  }
  return toRecord(
    headers.get("Nats-Subject"),
    Number(headers.get("Nats-Sequence")),
    headers.get("Nats-Time-Stamp"),
    data,
  );
}

function readLeaderAnswer({ data }: LinkMessage): JobRecord | undefined {
  const answer: unknown = JSON.parse(new TextDecoder().decode(data));
  if (isNotFound(answer)) return undefined;
  if (typeof answer === "object" && answer !== null && "message" in answer) {
    const { message } = answer;
    if (isStored(message)) return toRecord(message.subject, message.seq, message.time, fromBase64(message.data ?? ""));
  }
  throw new TransportError("no_responders", { message: "The leader of the job stream gave no record." });
}

/** A stored message as a record of a job; nothing when it is not one. */
export function toRecord(subject: string, sequence: number, time: string, data: Uint8Array): JobRecord | undefined {
  const named = readJobSubject(subject);
  const body = readRecordBody(data);
  if (named === undefined || body === undefined || !Number.isSafeInteger(sequence)) return undefined;
  const { service, queue, event } = named;
  return { service, queue, event, sequence, at: Date.parse(time), body: { ...body, id: named.id } };
}

function isStored(
  value: unknown,
): value is { readonly subject: string; readonly seq: number; readonly time: string; readonly data?: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "subject" in value &&
    typeof value.subject === "string" &&
    "seq" in value &&
    typeof value.seq === "number" &&
    "time" in value &&
    typeof value.time === "string"
  );
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
