import { AuthError, TransportError, ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import type { Link, LinkMessage } from "../link.ts";
import { pause } from "../reconnect-delay.ts";
import { declaredInVain, inactive } from "../not-granted.ts";
import type { EventFacts } from "./event-facts.ts";
import type { EventTransport } from "./event-transport.ts";
import { eventMessage, eventTooLarge, preparedMessage } from "./prepare-event.ts";
import type { EventMessage, PreparedEvent } from "./prepare-event.ts";
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

/** Publishes; resolves when storage has the event or it is certain that nobody will try again. */
export async function publishEvent(
  transport: EventTransport,
  facts: EventFacts,
  payload: unknown,
  options: PublishOptions = {},
): Promise<Result<PublishedEvent, PublishError>> {
  const message = eventMessage(transport, facts, payload, options.id);
  if (!message.ok) return message;
  const span = startClientSpan(
    { name: facts.name, surface: "event", contractId: facts.contractId },
    message.value.headers,
  );
  const result = await store(transport.link, message.value, options);
  const named = result.ok ? result : err(explain(transport, facts, message.value, result.error));
  span.end(named.ok ? undefined : named.error);
  return named;
}

/** Publishes what was prepared, as it was prepared. */
export async function publishPrepared(
  transport: EventTransport,
  events: ReadonlyMap<string, EventFacts>,
  event: PreparedEvent,
  options: Omit<PublishOptions, "id"> = {},
): Promise<Result<PublishedEvent, PublishError>> {
  const facts = events.get(event.name);
  if (facts === undefined) {
    const message = `the contract publishes no event ${event.name}; it was prepared for another contract or an older version`;
    return err(new ValidationError([{ path: "/name", message }]));
  }
  const message = preparedMessage(facts, event);
  if (!message.ok) return message;
  const result = await store(transport.link, message.value, options);
  return result.ok ? result : err(explain(transport, facts, message.value, result.error));
}

/**
 * Until storage answers. The same message with the same id is sent again when no answer came, so what was stored
 * without our hearing of it is stored once; the deadline is shorter than the time storage remembers ids.
 */
async function store(
  link: Link,
  event: EventMessage,
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

function explain(
  transport: EventTransport,
  facts: EventFacts,
  event: EventMessage,
  error: TransportError,
): TransportError | AuthError {
  const { name, alias, contractId } = facts;
  switch (error.code) {
    case "permission_denied":
      if (alias !== undefined && transport.isInactive?.(alias) === true) return inactive(name, contractId);
      return new AuthError("insufficient_permissions", {
        message: `Publishing ${name} was refused by NATS. ${remedy(facts)}`,
      });
    case "payload_too_large":
      return eventTooLarge(facts, event.payload.length);
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
    : `${declaredInVain(alias, contractId)} \`trellis why\` tells which of ${name}.`;
}
