import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import type { EndpointStats } from "./endpoint-stats.ts";

/** One surface as the NATS micro protocol shows it. */
export interface MicroEndpoint {
  readonly name: string;
  readonly subject: string;
  readonly queueGroup: string;
  readonly stats: EndpointStats;
}

export interface MicroService {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly description: string;
  readonly metadata: { readonly [name: string]: string };
  readonly endpoints: readonly MicroEndpoint[];
  readonly startedAt: Date;
}

type Verb = "PING" | "INFO" | "STATS";
const VERBS: readonly Verb[] = ["PING", "INFO", "STATS"];
const NANOSECONDS_PER_MS = 1_000_000;
const encoder = new TextEncoder();

/**
 * Answers the service discovery of NATS (ADR-32), so that `nats micro ls` and other standard tools see a Trellis
 * service. The questions are not signed, so the answers hold nothing that depends on who asks.
 */
export function serveMicro(link: Link, service: MicroService): readonly LinkSubscription[] {
  return VERBS.flatMap((verb) =>
    [`$SRV.${verb}`, `$SRV.${verb}.${service.name}`, `$SRV.${verb}.${service.name}.${service.id}`].map((subject) =>
      link.subscribe(subject, { onMessage: (message) => answer(link, service, verb, subject, message) }),
    ),
  );
}

function answer(link: Link, service: MicroService, verb: Verb, subject: string, message: LinkMessage): void {
  // Only inboxes are answered: an unsigned question must not make us write anywhere else.
  if (message.subject !== subject || message.reply?.startsWith("_INBOX.") !== true) return;
  link.publish(message.reply, encoder.encode(JSON.stringify(body(service, verb))));
}

function body(service: MicroService, verb: Verb): object {
  const { name, id, version, metadata, endpoints } = service;
  const identity = { type: `io.nats.micro.v1.${verb.toLowerCase()}_response`, name, id, version, metadata };
  switch (verb) {
    case "PING":
      return identity;
    case "INFO":
      return {
        ...identity,
        description: service.description,
        endpoints: endpoints.map((endpoint) => ({
          name: endpoint.name,
          subject: endpoint.subject,
          queue_group: endpoint.queueGroup,
          metadata: {},
        })),
      };
    case "STATS":
      return { ...identity, started: service.startedAt.toISOString(), endpoints: endpoints.map(statsOf) };
  }
}

function statsOf({ name, subject, queueGroup, stats }: MicroEndpoint): object {
  const nanoseconds = Math.round(stats.processingMs * NANOSECONDS_PER_MS);
  return {
    name,
    subject,
    queue_group: queueGroup,
    num_requests: stats.requests,
    num_errors: stats.errors,
    last_error: stats.lastError,
    processing_time: nanoseconds,
    average_processing_time: stats.requests === 0 ? 0 : Math.round(nanoseconds / stats.requests),
  };
}
