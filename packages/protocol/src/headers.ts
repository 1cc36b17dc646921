/** Header names, exactly as they are written on the wire. */
export const HEADERS = {
  sessionKey: "session-key",
  proof: "proof",
  /** Absent means Ed25519. */
  proofAlg: "proof-alg",
  iat: "iat",
  requestId: "request-id",
  /** Milliseconds the caller still waits. */
  deadline: "deadline",
  traceparent: "traceparent",
  tracestate: "tracestate",
  /** Opens a feed after this place (base64url of the cursor's UTF-8); the service chose the cursor, the reader returns it. */
  cursor: "cursor",
  /** `error` on a reply whose body is an error. */
  status: "status",
  /** The id of an event (ULID); JetStream drops a second message that carries the same one. */
  eventId: "Nats-Msg-Id",
  /** When an event happened, ISO 8601. */
  eventTime: "trellis-time",
  /** The id an event was published with, where `Nats-Msg-Id` has to be another: on dead letters and what is replayed of them. */
  originalEventId: "trellis-event-id",
  /** On a dead letter: the subject, the number of deliveries, the kind of failure and its sentence, in that order. */
  deadSubject: "trellis-dead-subject",
  deadAttempts: "trellis-dead-attempts",
  deadCode: "trellis-dead-code",
  deadReason: "trellis-dead-reason",
  /** Chunk number of a transfer, from 1. */
  transferSeq: "trellis-transfer-seq",
  /** On a message of JetStream; a participant refuses an answer that carries it unless it asked JetStream. */
  natsStream: "Nats-Stream",
} as const;

/** The value of `HEADERS.status` on an error reply. */
export const STATUS_ERROR = "error";

/** What reading headers needs; the headers of nats.js fit as they are. */
export interface HeaderReader {
  /** Every value of the header, in order; none when it is absent. */
  values(name: string): readonly string[];
}

/** What writing headers needs; the headers of nats.js fit as they are. */
export interface HeaderWriter {
  set(name: string, value: string): void;
}

/** The value of a header that occurs exactly once; `undefined` when absent, `"repeated"` when given more often. */
export function singleHeader(headers: HeaderReader, name: string): { readonly value: string } | "repeated" | undefined {
  const values = headers.values(name);
  const [value] = values;
  if (value === undefined) return undefined;
  return values.length === 1 ? { value } : "repeated";
}

/** Whether a reply carries an error: the header says so exactly once. */
export function isErrorReply(headers: HeaderReader | undefined): boolean {
  return headers !== undefined && headers.values(HEADERS.status).includes(STATUS_ERROR);
}
