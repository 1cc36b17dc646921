import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import { AuthError, HEADERS, newEventId, TransportError, ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import type { Link, LinkMessage } from "../link.ts";
import { pause } from "../reconnect-delay.ts";
import type { EventFacts } from "./event-facts.ts";
import { PUBLISH_LIMITS } from "./publish-limits.ts";
import { readPubAck } from "./pub-ack.ts";

/** How one event is published. */
export interface PublishOptions {
  /** The event's id. Give one when the same event may be published again: within the dedupe window it is stored once. */
  readonly id?: string;
  /** How long to go on trying; 30 s unless said otherwise, 110 s at most. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An event that storage has. */
export interface PublishedEvent {
  readonly id: string;
  /** Its place in the event stream. */
  readonly sequence: number;
  /** Storage had it already under this id. */
  readonly duplicate: boolean;
}

/** Everything that can go wrong with publishing. */
export type PublishError = ValidationError | TransportError | AuthError;

/** What events travel on; a `Session` fits. */
export interface EventTransport {
  readonly link: Link;
  /** The platform's time; the local clock without it. */
  readonly clock?: { nowMs(): number };
  /** Adds the trace that surrounds the caller. */
  trace?(headers: MsgHdrs): void;
}

/** An event ready to be sent: checked, with its id, always the same bytes. */
export interface PreparedEvent {
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
}

const encoder = new TextEncoder();
/** What a header may hold without escaping. */
const EVENT_ID = /^[\x21-\x7e]{1,128}$/;

/** Checks an event and makes its message. */
export function prepareEvent(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  givenId?: string,
): Result<PreparedEvent, ValidationError> {
  if (!facts.schema.check(payload)) {
    const issues = facts.schema.errors(payload);
    const [first] = issues;
    const where = first === undefined || first.path === "" ? "the payload" : first.path;
    const message = `The event ${facts.name} does not match its contract: ${where}: ${first?.message ?? "does not match"}.`;
    return err(new ValidationError(issues, { message }));
  }
  const subject = facts.template.subject(payload);
  if (!subject.ok) return subject;
  if (givenId !== undefined && !EVENT_ID.test(givenId)) {
    return err(
      new ValidationError([{ path: "", message: "an event id is 1 to 128 visible ASCII characters without spaces" }]),
    );
  }
  let body: Uint8Array;
  try {
    body = encoder.encode(JSON.stringify(payload));
  } catch (error) {
    return err(
      new ValidationError([
        { path: "", message: error instanceof Error ? error.message : "it cannot be written as JSON" },
      ]),
    );
  }
  const now = transport.clock?.nowMs() ?? Date.now();
  const id = givenId ?? newEventId(now);
  const headers = new MsgHdrsImpl();
  headers.headers.set(HEADERS.eventId, [id]);
  headers.headers.set(HEADERS.eventTime, [new Date(now).toISOString()]);
  transport.trace?.(headers);
  return ok({ id, subject: subject.value, payload: body, headers });
}

/** Publishes; resolves when storage has the event or it is certain that nobody will try again. */
export async function publishEvent(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  options: PublishOptions = {},
): Promise<Result<PublishedEvent, PublishError>> {
  const prepared = prepareEvent(transport, facts, payload, options.id);
  if (!prepared.ok) return prepared;
  const span = startClientSpan(
    { name: facts.name, surface: "event", contractId: facts.contractId },
    prepared.value.headers,
  );
  const result = await store(transport.link, prepared.value, options);
  const named = result.ok ? result : err(explain(facts, prepared.value, result.error));
  span.end(named.ok ? undefined : named.error);
  return named;
}

/**
 * Until storage answers. The same message with the same id is sent again when no answer came, so what was stored
 * without our hearing of it is stored once; the deadline is shorter than the time storage remembers ids.
 */
export async function store(
  link: Link,
  event: PreparedEvent,
  options: Pick<PublishOptions, "timeoutMs" | "signal">,
): Promise<Result<PublishedEvent, TransportError>> {
  const { signal } = options;
  const endsAt = performance.now() + Math.min(options.timeoutMs ?? PUBLISH_LIMITS.defaultMs, PUBLISH_LIMITS.longestMs);
  let failure = new TransportError("timeout");
  for (
    let tryMs: number = PUBLISH_LIMITS.firstTryMs, pauseMs = 20;
    ;
    tryMs = Math.min(tryMs * 2, PUBLISH_LIMITS.longestTryMs)
  ) {
    const leftMs = endsAt - performance.now();
    if (leftMs <= 0) return err(failure);
    let answer: LinkMessage;
    try {
      answer = await link.request(event.subject, event.payload, {
        inbox: "a",
        headers: event.headers,
        timeoutMs: Math.min(tryMs, leftMs),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      failure = error;
      if (!AGAIN.has(error.code)) return err(error);
      if (error.code === "timeout") continue;
      await pause(Math.min(pauseMs, Math.max(0, endsAt - performance.now())), signal);
      pauseMs = Math.min(pauseMs * 2, 500);
      if (signal?.aborted === true) return err(new TransportError("cancelled"));
      continue;
    }
    const ack = readPubAck(answer.data);
    if (ack.ok) return ok({ id: event.id, sequence: ack.value.sequence, duplicate: ack.value.duplicate });
    failure = ack.error;
    if (ack.error.code !== "retry_later" || !ack.error.retryable) return ack;
    await pause(Math.min(pauseMs, Math.max(0, endsAt - performance.now())), signal);
    pauseMs = Math.min(pauseMs * 2, 500);
  }
}

/** No answer, nobody there, or no connection: all of them pass when NATS is back. */
const AGAIN: ReadonlySet<string> = new Set(["timeout", "no_responders", "disconnected"]);

function explain(facts: EventFacts, event: PreparedEvent, error: TransportError): TransportError | AuthError {
  const { name } = facts;
  switch (error.code) {
    case "permission_denied":
      return new AuthError("insufficient_permissions", {
        message: `Publishing ${name} was refused by NATS. ${remedy(facts)}`,
      });
    case "payload_too_large":
      return new TransportError("payload_too_large", {
        message: `The event ${name} has ${event.payload.length} bytes, more than the server takes in one message.`,
        hint: "Put large content into an object store and its name into the event.",
      });
    case "no_responders":
      return new TransportError("no_responders", {
        message: `The event ${name} was not stored: the event stream cannot be reached.`,
        hint: "Check that JetStream runs and that the platform has made its streams: `trellis status`.",
      });
    case "timeout":
      return new TransportError("timeout", {
        message: `Storage did not confirm the event ${name} in time; it may or may not be stored.`,
        hint: `Publish it again with the same id (${event.id}): it is stored once.`,
      });
    default:
      return error;
  }
}

function remedy({ name, contractId, alias }: EventFacts): string {
  return alias === undefined
    ? "The contract owns it, but its permissions are not in force yet; see `trellis why` for the subject."
    : `The contract declares it (uses ${alias}, ${contractId}), but it is not granted: a capability is missing, an optional use was not accepted, or the change is not in force yet. \`trellis why\` tells which of ${name}.`;
}
