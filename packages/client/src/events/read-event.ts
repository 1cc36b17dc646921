import { HEADERS } from "@trellis/protocol";
import type { ValidationIssue } from "@trellis/protocol";
import type { LinkMessage } from "../link.ts";
import { headerValues } from "../received-message.ts";
import { eventIssues } from "./event-facts.ts";
import type { EventFacts } from "./event-facts.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The payload of an event message, or what is wrong with it. */
export function readEvent(
  facts: EventFacts,
  subject: string,
  data: Uint8Array,
):
  { readonly ok: true; readonly event: unknown } | { readonly ok: false; readonly issues: readonly ValidationIssue[] } {
  let event: unknown;
  try {
    event = JSON.parse(decoder.decode(data));
  } catch {
    return { ok: false, issues: [{ path: "", message: "the payload is not JSON in UTF-8" }] };
  }
  const issues = eventIssues(facts, subject, event);
  return issues.length === 0 ? { ok: true, event } : { ok: false, issues };
}

/** When the event happened by its publisher; the present moment when it does not say. */
export function eventTime(message: LinkMessage, now: () => number): Date {
  const at = Date.parse(headerValues(message, HEADERS.eventTime)[0] ?? "");
  return new Date(Number.isNaN(at) ? now() : at);
}
