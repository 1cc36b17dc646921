import { headers as natsHeaders } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { HEADERS, newEventId } from "@trellis/protocol";
import { health as healthContract } from "@trellis/sdk/health";
import type { Health } from "./health.ts";
import type { Log } from "./log.ts";
import type { PlatformClock } from "./request-check.ts";

export interface HeartbeatOptions {
  readonly link: Link;
  readonly health: Health;
  readonly clock: PlatformClock;
  readonly log: Log;
  readonly everyMs: number;
  readonly service: string;
  readonly instance: string;
  readonly contract: { readonly id: string; readonly digest: string };
  readonly startedAt: Date;
  readonly inFlight: () => number;
}

/** A service nobody heard of for this long is not there: what it said last goes away by itself. */
const HEARTBEAT_TTL = "60s";
const encoder = new TextEncoder();

/** Tells the platform every few seconds that this replica lives and how it is; returns how to stop. */
export function startHeartbeats(options: HeartbeatOptions): { stop(): void } {
  const subject = healthContract.manifest.events?.["Health.Heartbeat"]?.subject;
  if (subject === undefined) throw new TypeError("The health contract has no event Health.Heartbeat.");
  let stopped = false;
  let running = false;
  const beat = async (): Promise<void> => {
    if (running) return;
    running = true;
    try {
      const body = await describe(options);
      if (!stopped) publish(options, subject, body);
    } catch (error) {
      options.log.debug("A heartbeat could not be sent.", { error });
    } finally {
      running = false;
    }
  };
  void beat();
  const timer = setInterval(() => void beat(), options.everyMs);
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function describe(options: HeartbeatOptions): Promise<object> {
  const report = await options.health.report();
  return {
    service: options.service,
    instance: options.instance,
    contractId: options.contract.id,
    contractDigest: options.contract.digest,
    status: report.status,
    checks: report.checks,
    inFlight: options.inFlight(),
    startedAt: options.startedAt.toISOString(),
    at: new Date(options.clock.nowMs()).toISOString(),
  };
}

function publish(options: HeartbeatOptions, subject: string, body: object): void {
  const now = options.clock.nowMs();
  const headers = natsHeaders();
  headers.set(HEADERS.eventId, newEventId(now));
  headers.set(HEADERS.eventTime, new Date(now).toISOString());
  headers.set("Nats-TTL", HEARTBEAT_TTL);
  options.link.publish(subject, encoder.encode(JSON.stringify(body)), { headers });
}
