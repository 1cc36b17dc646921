import { setTimeout as pause } from "node:timers/promises";
import { headers as newHeaders } from "@nats-io/nats-core";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/nats-core";

/**
 * JetStream by its own protocol: JSON requests on `$JS.API.>` and publishes that are acknowledged. The control plane
 * needs headers and answers exactly as the server gives them (a batch refused for a conflict must look like one).
 */

/** JetStream answered, and the answer is an error. */
export class JetStreamApiError extends Error {
  readonly code: number;
  readonly errCode: number;

  constructor(
    subject: string,
    error: { readonly code: number; readonly err_code?: number; readonly description?: string },
  ) {
    super(`JetStream refused ${subject}: ${error.description ?? "no description"} (${error.err_code ?? error.code})`);
    this.name = "JetStreamApiError";
    this.code = error.code;
    this.errCode = error.err_code ?? 0;
  }
}

/** Error codes this code base decides on; the server keeps them stable. */
export const JS_ERRORS = {
  noSuitablePeers: 10005,
  streamNotFound: 10059,
  streamNameExists: 10058,
  messageNotFound: 10037,
  consumerNotFound: 10014,
  wrongLastSequence: 10071,
  subjectInProcess: 10164,
} as const;

/** Whether JetStream stored nothing because an expectation (compare-and-set) did not hold, or may not hold in a moment. */
export function isConflict(error: unknown): boolean {
  return isJsError(error, JS_ERRORS.wrongLastSequence) || isInProcess(error);
}

/** Whether a message of the same subject is on its way to a majority: perhaps an earlier try of whoever asks, perhaps in vain. */
export function isInProcess(error: unknown): boolean {
  return isJsError(error, JS_ERRORS.subjectInProcess);
}

export function isJsError(error: unknown, errCode: number): boolean {
  return error instanceof JetStreamApiError && error.errCode === errCode;
}

interface ApiAnswer {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
  readonly time: string;
}

export interface PublishAck {
  readonly seq: number;
  readonly duplicate: boolean;
  /** Messages of the atomic batch this acknowledges. */
  readonly count?: number;
}

export interface StreamState {
  readonly created: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly config: { readonly [option: string]: unknown };
}

const API_TIMEOUT_MS = 5_000;
/** A busy server that has just begun is taken for one that is offline until its next word. */
const PEERS_WITHIN_MS = 15_000;
const PEERS_AGAIN_MS = 250;
const encoder = new TextEncoder();
const EMPTY = new Uint8Array(0);

/** One request to the JetStream API; throws `JetStreamApiError` when the answer is an error. */
export async function jsApi<T>(
  nc: NatsConnection,
  subject: string,
  body?: unknown,
  timeoutMs = API_TIMEOUT_MS,
): Promise<T> {
  const message = await nc.request(
    `$JS.API.${subject}`,
    body === undefined ? EMPTY : encoder.encode(JSON.stringify(body)),
    {
      timeout: timeoutMs,
    },
  );
  const answer = message.json<T & ApiAnswer>();
  if (answer.error) throw new JetStreamApiError(subject, answer.error);
  return answer;
}

export async function streamState(nc: NatsConnection, stream: string): Promise<StreamState> {
  const info = await jsApi<{
    created: string;
    config: { [option: string]: unknown };
    state: { first_seq: number; last_seq: number; messages: number };
  }>(nc, `STREAM.INFO.${stream}`);
  const { state } = info;
  return {
    created: info.created,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    messages: state.messages,
    config: info.config,
  };
}

/** Asks the stream's leader, so the answer is never older than an acknowledged write. */
export async function storedMessage(
  nc: NatsConnection,
  stream: string,
  which: { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj?: string },
): Promise<StoredMessage | undefined> {
  try {
    const answer = await jsApi<{ message: { subject: string; seq: number; data?: string; time: string } }>(
      nc,
      `STREAM.MSG.GET.${stream}`,
      which,
    );
    const { subject, seq, data, time } = answer.message;
    return { subject, seq, time, data: data === undefined ? EMPTY : Uint8Array.from(Buffer.from(data, "base64")) };
  } catch (error) {
    if (isJsError(error, JS_ERRORS.messageNotFound)) return undefined;
    throw error;
  }
}

/** Publishes and waits for the stream's acknowledgement. */
export async function publishStored(
  nc: NatsConnection,
  subject: string,
  data: Uint8Array,
  options: { readonly headers?: MsgHdrs; readonly timeoutMs?: number } = {},
): Promise<PublishAck> {
  const message = await nc.request(subject, data, {
    timeout: options.timeoutMs ?? API_TIMEOUT_MS,
    ...(options.headers ? { headers: options.headers } : {}),
  });
  return readAck(subject, message);
}

function readAck(subject: string, message: Msg): PublishAck {
  const answer = message.json<ApiAnswer & { seq?: number; duplicate?: boolean; count?: number }>();
  if (answer.error) throw new JetStreamApiError(subject, answer.error);
  if (answer.seq === undefined) throw new Error(`JetStream acknowledged ${subject} without a sequence.`);
  return {
    seq: answer.seq,
    duplicate: answer.duplicate === true,
    ...(answer.count === undefined ? {} : { count: answer.count }),
  };
}

/** Headers from plain pairs. */
export function headersOf(pairs: { readonly [name: string]: string | undefined }): MsgHdrs {
  const result = newHeaders();
  for (const [name, value] of Object.entries(pairs)) if (value !== undefined) result.set(name, value);
  return result;
}

/** A stream as it is to be, in the words of JetStream. */
export interface WantedStream {
  readonly name: string;
  readonly [option: string]: unknown;
}

/** Creates the stream, or brings these options of an existing one up to date; everything else of it stays. */
export async function ensureStream(nc: NatsConnection, config: WantedStream): Promise<StreamState> {
  const { name } = config;
  const peersBy = performance.now() + PEERS_WITHIN_MS;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const existing = await streamState(nc, name);
      const differs = Object.entries(config).some(([option, value]) => !sameOption(existing.config[option], value));
      if (!differs) return existing;
      await jsApi(nc, `STREAM.UPDATE.${name}`, { ...existing.config, ...config });
      return await streamState(nc, name);
    } catch (error) {
      if (!isJsError(error, JS_ERRORS.streamNotFound)) throw error;
    }
    try {
      await jsApi(nc, `STREAM.CREATE.${name}`, config, 10_000);
    } catch (error) {
      if (isJsError(error, JS_ERRORS.noSuitablePeers) && performance.now() < peersBy) {
        attempt -= 1;
        await pause(PEERS_AGAIN_MS);
        continue;
      }
      // Another replica was faster: look at what it made.
      if (!isJsError(error, JS_ERRORS.streamNameExists) || attempt > 3) throw error;
    }
  }
}

/** The server leaves out options that have their zero value. */
function sameOption(actual: unknown, wanted: unknown): boolean {
  const isZero = (value: unknown): boolean => value === undefined || value === 0 || value === false || value === "";
  if (isZero(actual) && isZero(wanted)) return true;
  return JSON.stringify(actual) === JSON.stringify(wanted);
}
