import type { NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import { HEADERS } from "@trellis/protocol";
import { auth } from "@trellis/sdk";
import type { Log } from "../log.ts";
import { type PublishEvent, sealEventId } from "./event-id.ts";

/**
 * Publishes the control plane's own events. They inform: what must not be lost is in the audit log, so one that cannot
 * be sent now is not sent again. `secret` is the same for all replicas and nobody else has it.
 */
export function createEventPublisher(nc: NatsConnection, secret: string, log: Log): PublishEvent {
  const encoder = new TextEncoder();
  return (name, payload, { id }) => {
    const subject = auth.manifest.events?.[name]?.subject;
    if (subject === undefined || nc.isClosed()) return;
    const head = headers();
    head.set(HEADERS.eventId, sealEventId(id, secret));
    head.set(HEADERS.eventTime, new Date().toISOString());
    try {
      nc.publish(subject, encoder.encode(JSON.stringify(payload)), { headers: head });
    } catch (error) {
      log.warn("an event could not be sent", {
        event: name,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  };
}
