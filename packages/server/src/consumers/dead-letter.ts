import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { readPubAck } from "@trellis/client/internal";
import { deadEventSubject } from "@trellis/contracts";
import { HEADERS, TransportError } from "@trellis/protocol";
import { err } from "@trellis/result";
import type { Result } from "@trellis/result";

/** Why an event is not tried again. */
export interface DeadReason {
  /** `invalid`: it does not match its schema. `failed`: its handler did, as often as allowed. `unfinished`: replicas died with it as often as allowed. */
  readonly code: "invalid" | "failed" | "unfinished";
  readonly message: string;
}

/** An event to be put aside. */
export interface DeadEvent {
  readonly deployment: string;
  readonly group: string;
  readonly sequence: number;
  readonly subject: string;
  readonly id: string;
  readonly at: Date;
  readonly attempts: number;
  readonly payload: Uint8Array;
  readonly traceparent: string | undefined;
  readonly reason: DeadReason;
}

const STORE_MS = 5_000;
const LONGEST_REASON = 1_000;
const NOTHING = new Uint8Array(0);

/** Puts an event aside; resolves when storage has it. Doing it twice leaves one. */
export async function buryEvent(link: Link, event: DeadEvent): Promise<Result<unknown, TransportError>> {
  const subject = deadEventSubject(event.deployment, event.group, String(event.sequence));
  const headers = new MsgHdrsImpl();
  const set = (name: string, value: string): void => void headers.headers.set(name, [headerText(value)]);
  set(HEADERS.originalEventId, event.id);
  set(HEADERS.eventTime, event.at.toISOString());
  set(HEADERS.deadSubject, event.subject);
  set(HEADERS.deadAttempts, String(event.attempts));
  set(HEADERS.deadCode, event.reason.code);
  set(HEADERS.deadReason, event.reason.message);
  if (event.traceparent !== undefined) set(HEADERS.traceparent, event.traceparent);
  const send = async (payload: Uint8Array): Promise<Result<unknown, TransportError>> => {
    try {
      return readPubAck((await link.request(subject, payload, { inbox: "a", headers, timeoutMs: STORE_MS })).data);
    } catch (error) {
      if (error instanceof TransportError) return err(error);
      throw error;
    }
  };
  const stored = await send(event.payload);
  // With these headers the largest events do not fit; without its payload one is still found in the event stream.
  return !stored.ok && stored.error.code === "payload_too_large" ? send(NOTHING) : stored;
}

/** One line of visible characters: anything else would not survive as a header. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, LONGEST_REASON);
}
