import type { NatsConnection } from "@nats-io/nats-core";
import { DEAD_EVENTS_STREAM, deadEventSubject, EVENTS_STREAM, isName, replaySubject } from "@trellis/contracts";
import { HEADERS, LIMITS } from "@trellis/protocol";
import { SHOWN_VALUE_BYTES } from "@trellis/sdk";
import { fromDelivery, type StoredMessage } from "@trellis/server/internal";
import { sealEventId, sharedEventId } from "../notices/event-id.ts";
import { headersOf, isJsError, jsApi, JS_ERRORS, publishStored } from "../registry/jetstream-api.ts";

/** An event a consumer group gave up. What its service wrote is data: only the subject it is stored under is certain. */
export interface DeadLetter {
  /** `<deployment>.<group>.<place in the event stream>` */
  readonly id: string;
  readonly deployment: string;
  readonly group: string;
  /** Its place among the dead letters. */
  readonly sequence: number;
  readonly eventId: string;
  readonly subject: string;
  readonly at: string;
  readonly diedAt: string;
  readonly attempts: number;
  readonly code: string;
  readonly reason: string;
  readonly traceparent: string | undefined;
  /** Of what is kept here: nothing of an event that was too large to keep beside its reason. */
  readonly bytes: number;
}

/** Which of them; everything without members. */
export interface DeadLetterFilter {
  readonly deployment?: string;
  readonly group?: string;
}

/** The dead letters of all groups. */
export interface DeadLetters {
  /** How much of a payload fits into one answer of these servers, with what is around it. */
  readonly largestShown: number;
  /** Those after `after`, oldest first, at most `limit`. Without payloads: a page of them may be larger than a process. */
  list(filter: DeadLetterFilter, after: number, limit: number): Promise<readonly DeadLetter[]>;
  /** The place of the last there is, of any group. */
  last(): Promise<number>;
  get(id: string): Promise<DeadLetter | undefined>;
  /** What the event said, from the event stream where it was too large to keep here; nothing when that is gone as well. */
  payload(letter: DeadLetter): Promise<Uint8Array | undefined>;
  /** How many each group has, by `<deployment>.<group>`. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** Delivers it to its group again and takes it away; answers why it could not. Safe to repeat when it broke off. */
  replay(letter: DeadLetter): Promise<string | undefined>;
  drop(letter: DeadLetter): Promise<void>;
}

const TIMEOUT_MS = 5_000;
const PREFIX = "trellis.dead.";
/** One of a published event: dots between tokens that hold no wildcard and nothing invisible. */
const EVENT_SUBJECT = /^events\.(?:[!-)+-\-/-=?-~]+\.)*[!-)+-\-/-=?-~]+$/;

/** Works in the DATA account. `secret` is the same for all replicas of the control plane and nobody else has it. */
export function createDeadLetters(nc: NatsConnection, secret: string): DeadLetters {
  const drop = async ({ sequence }: DeadLetter): Promise<void> => {
    try {
      await jsApi(nc, `STREAM.MSG.DELETE.${DEAD_EVENTS_STREAM}`, { seq: sequence, no_erase: true });
    } catch (error) {
      // Somebody else took it away.
      if (!isJsError(error, JS_ERRORS.messageNotFound) && !isJsError(error, SEQUENCE_NOT_FOUND)) throw error;
    }
  };
  const stored = async ({ deployment, group, id, sequence }: DeadLetter): Promise<StoredMessage | undefined> => {
    const place = id.slice(id.lastIndexOf(".") + 1);
    const message = await next(nc, { last_by_subj: deadEventSubject(deployment, group, place) });
    return message?.sequence === sequence ? message : undefined;
  };
  const payloadOf = async (letter: DeadLetter, kept: StoredMessage): Promise<Uint8Array | undefined> =>
    kept.data.length > 0 ? kept.data : originalPayload(nc, letter.id);
  return {
    get largestShown() {
      return nc.info === undefined ? SHOWN_VALUE_BYTES : Math.trunc((nc.info.max_payload * 3) / 4);
    },
    async list({ deployment, group }, after, limit) {
      const subject = deadEventSubject(token("deployment", deployment), token("local", group), "*");
      const found: DeadLetter[] = [];
      let sequence = after + 1;
      while (found.length < limit) {
        const message = await next(nc, { seq: sequence, next_by_subj: subject });
        if (message === undefined) break;
        found.push(read(message));
        sequence = message.sequence + 1;
      }
      return found;
    },
    async get(id) {
      const [deployment = "", group = "", place = "", ...rest] = id.split(".");
      if (rest.length > 0 || !isName("deployment", deployment) || !isName("local", group) || !/^\d{1,16}$/.test(place))
        return undefined;
      const message = await next(nc, { last_by_subj: deadEventSubject(deployment, group, place) });
      return message && read(message);
    },
    async payload(letter) {
      const kept = await stored(letter);
      return kept && payloadOf(letter, kept);
    },
    async last() {
      const { state } = await jsApi<{ state: { last_seq: number } }>(nc, `STREAM.INFO.${DEAD_EVENTS_STREAM}`);
      return state.last_seq;
    },
    async counts() {
      const { state } = await jsApi<{ state: { subjects?: { [subject: string]: number } } }>(
        nc,
        `STREAM.INFO.${DEAD_EVENTS_STREAM}`,
        {
          subjects_filter: `${PREFIX}>`,
        },
      );
      const counts = new Map<string, number>();
      for (const subject of Object.keys(state.subjects ?? {})) {
        const key = subject.slice(PREFIX.length, subject.lastIndexOf("."));
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return counts;
    },
    async replay(letter) {
      if (letter.subject.length > LIMITS.subjectBytes || !EVENT_SUBJECT.test(letter.subject))
        return `${letter.id} does not say which event it was; it can only be dropped`;
      const kept = await stored(letter);
      // Somebody else replayed or dropped it a moment ago.
      if (kept === undefined) return undefined;
      const payload = await payloadOf(letter, kept);
      if (payload === undefined)
        return `the payload of ${letter.id} was too large to keep and has left the event stream`;
      await publishStored(nc, replaySubject(letter.deployment, letter.group, letter.subject), payload, {
        headers: headersOf({
          // A second try within the window is stored once; an id somebody could guess, somebody could have used before.
          [HEADERS.eventId]: sealEventId(sharedEventId(0, `replay ${letter.id} ${letter.sequence}`), secret),
          [HEADERS.originalEventId]: letter.eventId,
          [HEADERS.eventTime]: letter.at,
          [HEADERS.traceparent]: letter.traceparent,
        }),
        timeoutMs: TIMEOUT_MS,
      });
      await drop(letter);
      return undefined;
    },
    drop,
  };
}

const SEQUENCE_NOT_FOUND = 10043;

function token(kind: "deployment" | "local", name: string | undefined): string {
  // A name that is none would widen the subject; it matches nothing either way.
  return name === undefined ? "*" : isName(kind, name) ? name : "-";
}

async function next(
  nc: NatsConnection,
  which: { readonly seq: number; readonly next_by_subj: string } | { readonly last_by_subj: string },
): Promise<StoredMessage | undefined> {
  const message = await nc.request(`$JS.API.DIRECT.GET.${DEAD_EVENTS_STREAM}`, JSON.stringify(which), {
    timeout: TIMEOUT_MS,
  });
  return fromDelivery(message, DEAD_EVENTS_STREAM);
}

/** A service writes these as it likes; nothing that is true is longer, and one that is must not fill a page. */
const LONGEST_HEADER = LIMITS.subjectBytes + 1;

function read({ subject, sequence, time, headers, data }: StoredMessage): DeadLetter {
  const header = (name: string): string => headers.get(name).slice(0, LONGEST_HEADER);
  const id = subject.slice(PREFIX.length);
  const [deployment = "", group = ""] = id.split(".");
  return {
    id,
    deployment,
    group,
    sequence,
    eventId: header(HEADERS.originalEventId),
    subject: header(HEADERS.deadSubject),
    at: header(HEADERS.eventTime),
    diedAt: time,
    attempts: Math.max(0, Math.trunc(Number(header(HEADERS.deadAttempts)) || 0)),
    code: header(HEADERS.deadCode),
    reason: header(HEADERS.deadReason),
    traceparent: header(HEADERS.traceparent) || undefined,
    bytes: data.length,
  };
}

async function originalPayload(nc: NatsConnection, id: string): Promise<Uint8Array | undefined> {
  const seq = Number(id.slice(id.lastIndexOf(".") + 1));
  const message = await nc.request(`$JS.API.DIRECT.GET.${EVENTS_STREAM}`, JSON.stringify({ seq }), {
    timeout: TIMEOUT_MS,
  });
  return message.headers === undefined || message.headers.code !== 0 ? undefined : message.data;
}
