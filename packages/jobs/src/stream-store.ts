import type { MsgHdrsImpl } from "@nats-io/nats-core";
import { pause } from "@trellis/client/internal";
import type { Link, LinkMessage } from "@trellis/client/internal";
import { LEADER_READ_PREFIX } from "@trellis/contracts";
import { TransportError } from "@trellis/protocol";
import { isNotFound, readAnswer } from "./stream-answer.ts";

/** What became of a write that had an expectation. */
export type Appended =
  | { readonly kind: "stored"; readonly sequence: number }
  /** Something else has the same message id already, or an earlier try of ours did get through. */
  | { readonly kind: "overtaken"; readonly sequence: number }
  | { readonly kind: "refused"; readonly lastSequence: number | undefined };

/** The sequence of what was there instead of what was not stored. */
export function newestOf(refused: Appended): number {
  return (refused.kind === "refused" ? refused.lastSequence : refused.sequence) ?? 0;
}

/** One message as a stream has it. */
export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly time: string;
  readonly data: Uint8Array;
}

export interface StoreOptions {
  /** Gives up; without it only a closed link does. */
  readonly signal?: AbortSignal | undefined;
  readonly withinMs?: number | undefined;
}

/** One try waits this long; JetStream answers in milliseconds. */
const TRY_MS = 2_000;
const LONGEST_TRY_MS = 10_000;
const LONGEST_PAUSE_MS = 500;
/** About ten seconds: longer than a follower needs, shorter than anybody would wait. */
const STALE_TRIES = 24;
const PASSING: ReadonlySet<string> = new Set(["timeout", "no_responders", "disconnected"]);
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Stores a message if its expectations hold; goes on trying while NATS is away. */
export async function storeMessage(
  link: Link,
  subject: string,
  data: Uint8Array,
  headers: MsgHdrsImpl,
  { signal, withinMs = Number.POSITIVE_INFINITY }: StoreOptions,
): Promise<Appended> {
  const endsAt = performance.now() + withinMs;
  for (let tries = 0; ; tries += 1) {
    try {
      const timeoutMs = Math.min(TRY_MS * 2 ** tries, LONGEST_TRY_MS, Math.max(1, endsAt - performance.now()));
      const answer = readAnswer(await link.request(subject, data, { inbox: "a", headers, timeoutMs }));
      if (answer.kind === "stored") return answer.duplicate ? { kind: "overtaken", sequence: answer.sequence } : answer;
      if (answer.kind === "refused") return answer;
      if (!answer.passing) throw answer.error;
      if (performance.now() >= endsAt) throw answer.error;
    } catch (error) {
      if (!(error instanceof TransportError) || !PASSING.has(error.code)) throw error;
      if (link.state === "closed" || performance.now() >= endsAt) throw error;
    }
    if (!(await pause(Math.min(LONGEST_PAUSE_MS, 20 * 2 ** Math.min(tries, 6)), signal)))
      throw new TransportError("cancelled");
  }
}

/** The newest message of the first of these subjects that has one; read again until it is at least as new as `atLeast`. */
export async function readLast(
  link: Link,
  stream: string,
  subjects: readonly string[],
  {
    fresh = false,
    atLeast = 0,
    signal,
  }: {
    /** Asks the stream's leader; only the control plane may. */
    readonly fresh?: boolean | undefined;
    readonly atLeast?: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<StoredMessage | undefined> {
  for (let tries = 0; ; tries += 1) {
    try {
      const found = await readFirst(fresh ? readLeader : readDirect, link, stream, subjects);
      if ((found?.sequence ?? 0) >= atLeast || tries >= STALE_TRIES) return found;
    } catch (error) {
      if (!(error instanceof TransportError) || !PASSING.has(error.code) || link.state === "closed") throw error;
      if (tries >= STALE_TRIES) throw error;
    }
    if (!(await pause(Math.min(LONGEST_PAUSE_MS, 5 * 2 ** Math.min(tries, 7)), signal)))
      throw new TransportError("cancelled");
  }
}

async function readFirst(
  read: typeof readDirect,
  link: Link,
  stream: string,
  subjects: readonly string[],
): Promise<StoredMessage | undefined> {
  for (const subject of subjects) {
    const found = await read(link, stream, subject);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readDirect(link: Link, stream: string, subject: string): Promise<StoredMessage | undefined> {
  const { headers, data } = await link.request(`$JS.API.DIRECT.GET.${stream}.${subject}`, NOTHING, {
    inbox: "a",
    timeoutMs: TRY_MS,
  });
  if (headers === undefined) throw new TransportError("invalid_reply");
  if (headers.code === 404) return undefined;
  // Twice means that somebody else wrote the first.
  const streams = headers.values("Nats-Stream");
  if (streams.length !== 1 || streams[0] !== stream) {
    throw new TransportError("no_responders", {
      message: `JetStream did not answer with a record (${headers.code} ${headers.description}).`,
    });
  }
  return {
    subject: headers.get("Nats-Subject"),
    sequence: Number(headers.get("Nats-Sequence")),
    time: headers.get("Nats-Time-Stamp"),
    data,
  };
}

async function readLeader(link: Link, stream: string, subject: string): Promise<StoredMessage | undefined> {
  const request = encoder.encode(JSON.stringify({ last_by_subj: subject }));
  return readLeaderAnswer(
    await link.request(`${LEADER_READ_PREFIX}.${stream}`, request, { inbox: "a", timeoutMs: TRY_MS }),
  );
}

function readLeaderAnswer({ data }: LinkMessage): StoredMessage | undefined {
  const answer: unknown = JSON.parse(decoder.decode(data));
  if (isNotFound(answer)) return undefined;
  if (typeof answer === "object" && answer !== null && "message" in answer) {
    const { message } = answer;
    if (isStored(message)) {
      const { subject, seq: sequence, time } = message;
      return { subject, sequence, time, data: fromBase64(message.data ?? "") };
    }
  }
  throw new TransportError("no_responders", { message: "The leader of the job stream gave no record." });
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
