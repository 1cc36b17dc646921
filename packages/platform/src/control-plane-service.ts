import type { NatsConnection } from "@nats-io/nats-core";
import type { AuthCrypto } from "@trellis/auth";
import type { Link } from "@trellis/client/internal";
import { auth, core, jobs, resources, state } from "@trellis/sdk";
import { createServiceRuntime } from "@trellis/server/internal";
import type { AuditLog } from "./audit/audit.ts";
import type { ControlContext } from "./authority/context.ts";
import type { Access } from "./callout/access.ts";
import type { Connections } from "./callout/connections.ts";
import { auditHandlers } from "./handlers/audit.ts";
import { connectionHandlers } from "./handlers/connections.ts";
import { coreHandlers } from "./handlers/core.ts";
import { deploymentHandlers } from "./handlers/deployments.ts";
import { eventHandlers } from "./handlers/events.ts";
import { explainHandlers } from "./handlers/explain.ts";
import { instanceHandlers } from "./handlers/instances.ts";
import { kvHandlers, kvWatchHandler } from "./handlers/kv.ts";
import { operationHandlers } from "./handlers/operations.ts";
import { planHandlers } from "./handlers/plans.ts";
import { resourceHandlers } from "./handlers/resources.ts";
import { sessionHandlers } from "./handlers/sessions.ts";
import { storeHandlers } from "./handlers/store.ts";
import { userHandlers } from "./handlers/users.ts";
import type { SessionDirectory } from "./identity/session-directory.ts";
import type { DeadLetters } from "./events/dead-letters.ts";
import type { EventGroups } from "./events/event-groups.ts";
import { jobHandlers, shown } from "./jobs/job-handlers.ts";
import { scheduleHandlers } from "./jobs/schedules/schedule-handlers.ts";
import { watchJobs } from "./jobs/watch-jobs.ts";
import type { JobProjection } from "./jobs/job-projection.ts";
import type { Log } from "./log.ts";
import type { ResourceStore } from "./resources/jetstream.ts";
import { createServiceData } from "./resources/service-data.ts";
import { stateAdminHandlers } from "./state/state-admin-handlers.ts";
import { stateHandlers, type StateParts } from "./state/state-handlers.ts";
import { MAX_WATCHES_PER_SESSION } from "./state/state-limits.ts";
import { stateWatch } from "./state/state-watch.ts";

/** The answer to a logout gets out before its connection is cut. */
const GOODBYE_MS = 250;

export interface ControlPlaneServiceOptions {
  readonly link: Link;
  readonly crypto: AuthCrypto;
  readonly origin: string;
  readonly context: ControlContext;
  readonly access: Access;
  readonly connections: Connections;
  readonly sessions: SessionDirectory;
  readonly audit: AuditLog;
  readonly jobs: JobProjection;
  /** JetStream, past what participants may do. */
  readonly data: NatsConnection;
  readonly eventGroups: EventGroups;
  readonly deadLetters: DeadLetters;
  readonly resources: ResourceStore;
  readonly state: StateParts;
  readonly log: Log;
}

export interface ControlPlaneService {
  /** Requests at work. */
  readonly inFlight: number;
  /** Feeds being read. */
  readonly openFeeds: number;
  /** Questions of services about a caller so far. */
  readonly validations: number;
  drain(): Promise<void>;
}

/**
 * Serves the platform's own contracts through the router every service uses. Only the authority differs: it asks itself,
 * so its answers cost nothing and need no lease.
 */
export async function serveControlPlane(options: ControlPlaneServiceOptions): Promise<ControlPlaneService> {
  const { context, access, sessions } = options;
  const common = {
    link: options.link,
    authority: {
      validate: async (request: Parameters<Access["validate"]>[0]) => ({
        ...(await access.validate(request)),
        leaseMs: 0,
      }),
    },
    crypto: options.crypto,
    serviceName: "trellis",
    instanceId: options.origin,
    followChanges: false,
    heartbeats: false,
    log: options.log,
  };
  let validations = 0;
  const authRuntime = createServiceRuntime({ ...common, contract: auth });
  authRuntime.handle.all({
    ...connectionHandlers(
      {
        kick: (which, reason) => access.kick(which, reason),
        validate: (input, asker) => {
          validations += 1;
          return access.validate(input, asker);
        },
      },
      options.connections,
    ),
    ...sessionHandlers(context, sessions, {
      loggedOut: (sessionKey) => setTimeout(() => void access.kick({ sessionKey }, "logged out"), GOODBYE_MS).unref(),
      revoke: (revocation) => access.revoke(revocation),
    }),
    ...deploymentHandlers(context),
    ...instanceHandlers(context),
    ...planHandlers(context),
    ...explainHandlers(sessions),
    ...auditHandlers(options.audit),
    ...userHandlers(context),
  });
  const coreRuntime = createServiceRuntime({ ...common, contract: core });
  coreRuntime.handle.all({
    ...coreHandlers(context, sessions),
    ...eventHandlers(context, options.eventGroups, options.deadLetters, options.log),
    ...operationHandlers(context, options.link),
  });

  // A feed may be read for as long as its caller's session is known to be good: for that, as services do it.
  const feeding = {
    authority: { validate: (request: Parameters<Access["validate"]>[0]) => access.validate(request) },
    followChanges: true,
  };
  const jobsRuntime = createServiceRuntime({ ...common, ...feeding, contract: jobs });
  jobsRuntime.handle.all({
    ...jobHandlers({ link: options.link, data: options.data, projection: options.jobs }),
    ...scheduleHandlers(context, options.link),
  });
  jobsRuntime.handle.feed.jobs.watch(({ input, cursor, signal }) =>
    watchJobs(options.jobs, { filter: input, cursor, signal, show: shown }),
  );

  const resourcesRuntime = createServiceRuntime({ ...common, ...feeding, contract: resources });
  const serviceData = createServiceData(context, options.link, options.data);
  resourcesRuntime.handle.all({
    ...resourceHandlers(context, options.resources),
    ...kvHandlers(context, serviceData),
    ...storeHandlers(context, serviceData),
  });
  resourcesRuntime.handle.feed.trellis.kvWatch(kvWatchHandler(serviceData));

  const stateRuntime = createServiceRuntime({
    ...common,
    ...feeding,
    contract: state,
    limits: { maxOpenFeedsPerSession: MAX_WATCHES_PER_SESSION },
  });
  stateRuntime.handle.all({ ...stateHandlers(options.state), ...stateAdminHandlers(options.state) });
  stateRuntime.handle.feed.state.watch(stateWatch(options.state));

  const runtimes = [authRuntime, coreRuntime, jobsRuntime, resourcesRuntime, stateRuntime];
  await Promise.all(runtimes.map((runtime) => runtime.start()));
  return {
    get inFlight() {
      return runtimes.reduce((sum, runtime) => sum + runtime.inFlight, 0);
    },
    get openFeeds() {
      return runtimes.reduce((sum, runtime) => sum + runtime.openFeeds, 0);
    },
    get validations() {
      return validations;
    },
    drain: async () => void (await Promise.all(runtimes.map((runtime) => runtime.drain()))),
  };
}
