import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import { subjectCovers } from "@trellis/contracts";
import { HEADERS, newEventId, TransportError, ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { EventFacts } from "./event-facts.ts";
import type { EventTransport } from "./event-transport.ts";

/** An event that is checked and settled but not sent: plain data, to be kept as JSON and published by whoever reads it. */
export interface PreparedEvent {
  /** The event's logical name: `Orders.Placed`. */
  readonly name: string;
  readonly id: string;
  readonly subject: string;
  /** The payload, as the JSON text that will be sent. */
  readonly body: string;
  /** When it happened, and the trace it belongs to. */
  readonly headers: { readonly [name: string]: string };
}

/** How an event is prepared. */
export interface PrepareOptions {
  /** The event's id. Give one when the same event may be prepared again: within the dedupe window it is stored once. */
  readonly id?: string;
}

/** An event as NATS takes it. */
export interface EventMessage {
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
}

const encoder = new TextEncoder();
/** What a header may hold without escaping. */
const EVENT_ID = /^[\x21-\x7e]{1,128}$/;

/** Checks an event and makes its message. */
export function eventMessage(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  givenId?: string,
): Result<EventMessage, ValidationError> {
  const checked = check(transport, facts, payload, givenId);
  if (!checked.ok) return checked;
  const { id, subject, body, headers } = checked.value;
  return ok({ id, subject, payload: encoder.encode(body), headers });
}

/** Checks an event and settles what will be sent; what is too large to be sent is refused here, where it can be undone. */
export function prepareEvent(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  options: PrepareOptions = {},
): Result<PreparedEvent, ValidationError | TransportError> {
  const checked = check(transport, facts, payload, options.id);
  if (!checked.ok) return checked;
  const { id, subject, body, headers } = checked.value;
  const bytes = encoder.encode(body).length;
  const { maxPayloadBytes } = transport.link;
  if (maxPayloadBytes !== undefined && bytes + headers.encode().length > maxPayloadBytes)
    return err(eventTooLarge(facts, bytes));
  const kept = headers.keys().filter((name) => name !== HEADERS.eventId);
  return ok({
    name: facts.name,
    id,
    subject,
    body,
    headers: Object.fromEntries(kept.map((name) => [name, headers.get(name)])),
  });
}

/** The message of an event that was prepared, perhaps by an older version of this contract. */
export function preparedMessage(facts: EventFacts, event: PreparedEvent): Result<EventMessage, ValidationError> {
  const { id, subject, body } = event;
  if (!EVENT_ID.test(id)) return err(badId());
  if (subject !== facts.wildcard && !subjectCovers(facts.wildcard, subject)) {
    const message = `it was prepared for ${subject}, and ${facts.name} is published under ${facts.wildcard}`;
    return err(new ValidationError([{ path: "/subject", message }]));
  }
  const headers = new MsgHdrsImpl();
  for (const [name, value] of Object.entries(event.headers)) headers.set(name, value);
  headers.set(HEADERS.eventId, id);
  return ok({ id, subject, payload: encoder.encode(body), headers });
}

/** What the server would refuse, in words that help. */
export function eventTooLarge({ name }: EventFacts, bytes: number): TransportError {
  return new TransportError("payload_too_large", {
    message: `The event ${name} has ${bytes} bytes, more than the server takes in one message.`,
    hint: "Put large content into an object store and its name into the event.",
  });
}

function check(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  givenId: string | undefined,
): Result<
  { readonly id: string; readonly subject: string; readonly body: string; readonly headers: MsgHdrsImpl },
  ValidationError
> {
  if (!facts.schema.check(payload)) {
    const issues = facts.schema.errors(payload);
    const [first] = issues;
    const where = first === undefined || first.path === "" ? "the payload" : first.path;
    const message = `The event ${facts.name} does not match its contract: ${where}: ${first?.message ?? "does not match"}.`;
    return err(new ValidationError(issues, { message }));
  }
  const subject = facts.template.subject(payload);
  if (!subject.ok) return subject;
  if (givenId !== undefined && !EVENT_ID.test(givenId)) return err(badId());
  let body: string;
  try {
    body = JSON.stringify(payload);
  } catch (error) {
    const message = error instanceof Error ? error.message : "it cannot be written as JSON";
    return err(new ValidationError([{ path: "", message }]));
  }
  const now = transport.clock?.nowMs() ?? Date.now();
  const id = givenId ?? newEventId(now);
  const headers = new MsgHdrsImpl();
  headers.headers.set(HEADERS.eventId, [id]);
  headers.headers.set(HEADERS.eventTime, [new Date(now).toISOString()]);
  transport.trace?.(headers);
  return ok({ id, subject: subject.value, body, headers });
}

function badId(): ValidationError {
  return new ValidationError([
    { path: "", message: "an event id is 1 to 128 visible ASCII characters without spaces" },
  ]);
}
