import { hostname } from "node:os";
import { connectLink, readHeadersEverywhere } from "@trellis/client/internal";
import { createNodeSessionKey, verifySignature } from "@trellis/auth/node";
import { nodeConnect } from "@trellis/client/node";
import { DEFAULT_AUTH_TIMEOUT_MS, type ControlPlaneKeys } from "@trellis/nats";
import { type BootstrapAnswer, inboxPrefix } from "@trellis/protocol";
import { serviceCrypto } from "@trellis/server/node";
import { warnOfOldAccounts } from "./account-check.ts";
import { auditStream, openAuditLog } from "./audit/audit-stream.ts";
import { relayAudit } from "./audit/audit-relay.ts";
import { createContext, openTables, type ControlContext } from "./authority/context.ts";
import { createReconciler } from "./authority/reconciler.ts";
import { createBootstrap } from "./bootstrap/bootstrap.ts";
import { startAccess } from "./callout/access.ts";
import { Connections } from "./callout/connections.ts";
import { builtinContracts } from "./catalog/builtins.ts";
import { Catalog } from "./catalog/catalog.ts";
import type { Config } from "./config/load-config.ts";
import { readFileIfNamed } from "./config/read-file.ts";
import { serveControlPlane } from "./control-plane-service.ts";
import { listen } from "./http/listen.ts";
import { PlatformMetrics } from "./http/metrics.ts";
import { createRoutes, type ReadinessCheck } from "./http/routes.ts";
import { ensureGroups } from "./identity/user-commands.ts";
import { createSessionDirectory } from "./identity/session-directory.ts";
import { expireOverdue } from "./jobs/job-janitor.ts";
import { followJobs } from "./jobs/job-projection.ts";
import { markWork } from "./jobs/work-marks.ts";
import { keepSchedules } from "./jobs/schedules/keep-schedules.ts";
import { keepStreams } from "./keep-streams.ts";
import { Leases, leasesStream, runSingleton } from "./leases/leases.ts";
import { createDeadLetters } from "./events/dead-letters.ts";
import { createEventGroups } from "./events/event-groups.ts";
import type { Log } from "./log.ts";
import { accountAuthenticator, connectAccounts } from "./nats-connections.ts";
import { createEventPublisher } from "./notices/event-publisher.ts";
import { openRegistry } from "./registry/open.ts";
import { createResourceStore } from "./resources/jetstream.ts";
import { claimsStream, openRequestClaims } from "./sessions/claims.ts";
import { openSessionStore, sessionsStream } from "./sessions/session-store.ts";
import { watchStorage } from "./storage-health.ts";
import { openTopology } from "./topology.ts";
import { openState } from "./state/open-state.ts";
import { stateStream } from "./state/state-bucket.ts";

export interface ControlPlaneOptions {
  readonly config: Config;
  readonly keys: ControlPlaneKeys;
  readonly version: string;
  readonly log: Log;
}

/** One running replica. */
export interface ControlPlane extends AsyncDisposable {
  /** Where participants and people reach it. */
  readonly url: string;
  readonly context: ControlContext;
  readonly readiness: () => readonly ReadinessCheck[];
  /** Finishes what it accepted, takes nothing new, gives its leases back. */
  stop(): Promise<void>;
}

/** A view this old no longer proves that this replica sees what the others decide. */
const STALE_MS = 10_000;

/**
 * Starts one replica. HTTP answers first, so that whoever watches sees a process that is alive and not yet ready; then
 * NATS, the registry, and everything that works on it. A start that fails leaves nothing running.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { config, keys, version, log } = options;
  const origin = `${hostname().replaceAll(/[^A-Za-z0-9-]/g, "-")}-${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
  const metrics = new PlatformMetrics();
  // What participants store is read with nats.js here: a header it throws at would end the reading of everything.
  readHeadersEverywhere();
  const { httpTlsCertFile: certFile, httpTlsKeyFile: keyFile } = config;
  await using started = new AsyncDisposableStack();

  let readiness: () => readonly ReadinessCheck[] = () => [{ name: "start", ready: false, detail: "still starting" }];
  let answer: (kind: "service" | "agent", body: unknown) => Promise<BootstrapAnswer> = async () => starting();
  const routes = createRoutes({
    version,
    local: config.local,
    maxConcurrentBootstraps: config.httpMaxConcurrentBootstraps,
    metrics,
    readiness: () => readiness(),
    bootstrap: (kind, body) => answer(kind, body),
    log,
  });
  const http = await listen(routes, {
    host: config.httpHost,
    port: config.httpPort,
    ...(certFile !== undefined && keyFile !== undefined ? { tls: { certFile, keyFile } } : {}),
  });
  started.defer(() => http.close());

  const ca = readFileIfNamed(config.natsCaFile);
  const nats = started.use(await connectAccounts({ servers: config.natsServers, keys, ca, origin, log }));
  void warnOfOldAccounts(nats.sys, keys, log);
  const topology = await openTopology(nats, config.streamReplicas);
  const { replicas } = topology;
  const registry = await openRegistry({ nc: nats.data, replicas, log, prepare: openTables });
  started.defer(() => registry.close());
  const sessions = await openSessionStore({ nc: nats.data, replicas, idleMs: config.sessionIdleMs, log });
  const claims = await openRequestClaims(nats.data, replicas);
  const audit = await openAuditLog({ nc: nats.data, replicas, maxAgeMs: config.auditMaxAgeMs });
  const leases = await Leases.open({ nc: nats.data, replicas, owner: origin });

  const kept = keepStreams({
    nc: nats.data,
    streams: () => [
      sessionsStream(topology.replicas),
      claimsStream(topology.replicas),
      auditStream(topology.replicas, config.auditMaxAgeMs),
      leasesStream(topology.replicas),
      stateStream(topology.replicas, { maxValueBytes: config.stateMaxValueBytes, maxBytes: config.stateMaxBytes }),
    ],
    everyMs: config.reconcileSweepMs,
    log,
  });
  started.defer(() => kept.close());

  const storage = watchStorage(nats.sys, config.reconcileSweepMs);
  started.defer(() => storage.close());

  const connections = new Connections();
  const context = createContext({
    registry,
    catalog: new Catalog(registry, builtinContracts()),
    liveness: connections,
    limits: { planLifeMs: config.planLifeMs },
  });
  await ensureGroups(context);

  const access = startAccess({
    nats,
    keys,
    registry,
    context,
    connections,
    sessions,
    claims,
    origin,
    permissionsTtlMs: config.permissionsTtlMs,
    authTimeoutMs: DEFAULT_AUTH_TIMEOUT_MS,
    sessionIdleMs: config.sessionIdleMs,
    callerLeaseMs: config.callerLeaseMs,
    publishEvent: createEventPublisher(nats.trellis, keys.xkeySeed, log),
    log,
  });
  started.defer(() => access.close());

  const resourceStore = createResourceStore(nats.data, {
    // Read at every use: a cluster grows while this runs.
    get replicas() {
      return topology.replicas;
    },
    eventsMaxAgeMs: config.eventsMaxAgeMs,
    eventsMaxBytes: config.eventsMaxBytes,
    eventsDedupeMs: config.eventsDedupeMs,
    deadEventsMaxAgeMs: config.deadEventsMaxAgeMs,
    deadEventsMaxBytes: config.deadEventsMaxBytes,
    jobsMaxAgeMs: config.jobsMaxAgeMs,
    jobsMaxBytes: config.jobsMaxBytes,
  });
  const reconciler = createReconciler({
    context,
    store: resourceStore,
    times: { sweepMs: config.reconcileSweepMs },
    beforeSweep: () => topology.grow(),
    events: {
      materialized: (deployment, authorityVersion) =>
        log.info("a deployment has what it was granted", { deployment, version: authorityVersion }),
      failed: (deployment, problems) => log.warn("a deployment could not be reconciled", { deployment, problems }),
      interrupted: (error) =>
        log.warn("reconciliation broke off and starts again", {
          error: error instanceof Error ? error.message : String(error),
        }),
    },
  });
  const reconciling = runSingleton({ leases, name: "reconcile", log, run: (signal) => reconciler.run(signal) });
  started.defer(() => reconciling.close());
  const auditing = relayAudit({ registry, audit, leases, log });
  started.defer(() => auditing.close());

  const sessionKey = createNodeSessionKey();
  const link = await connectLink({
    connect: nodeConnect,
    name: `trellis ${origin}`,
    inboxPrefix: inboxPrefix(sessionKey.publicKey),
    plan: () => ({
      servers: config.natsServers,
      authenticator: accountAuthenticator(keys, "TRELLIS", origin),
      ...(ca === undefined ? {} : { tls: { ca } }),
    }),
  });
  started.defer(() => link.close());
  const jobs = followJobs(nats.data, log);
  started.defer(() => jobs.close());
  const expiring = runSingleton({ leases, name: "jobs", log, run: (signal) => expireOverdue(jobs, link, signal) });
  started.defer(() => expiring.close());
  const marking = runSingleton({ leases, name: "work-marks", log, run: (signal) => markWork(nats.data, jobs, signal) });
  started.defer(() => marking.close());
  const scheduling = runSingleton({
    leases,
    name: "schedules",
    log,
    run: (signal) => keepSchedules({ context, link, projection: jobs, log, signal }),
  });
  started.defer(() => scheduling.close());
  const service = await serveControlPlane({
    link,
    crypto: serviceCrypto,
    origin,
    context,
    access,
    connections,
    sessions: createSessionDirectory(context, sessions, (key) => connections.ofSession(key).length),
    audit,
    jobs,
    data: nats.data,
    eventGroups: createEventGroups(nats.data),
    deadLetters: createDeadLetters(nats.data, keys.xkeySeed),
    resources: resourceStore,
    state: await openState({ context, connections, sessions, link, data: nats.data, replicas, config }),
    log,
  });
  started.defer(() => service.drain());

  const bootstrap = createBootstrap({
    context,
    sessions,
    verify: verifySignature,
    nats: {
      servers: config.natsPublicServers.length > 0 ? config.natsPublicServers : config.natsServers,
      websocket: config.natsWebsocketServers,
      ...(ca === undefined ? {} : { ca }),
    },
    permissionsTtlMs: config.permissionsTtlMs,
    platform: { version, local: config.local },
  });
  answer = (kind, body) => bootstrap[kind](body);
  readiness = () => [
    {
      name: "nats",
      ready: link.state === "connected",
      ...(link.state === "connected" ? {} : { detail: "the connection is gone" }),
    },
    {
      name: "registry",
      ready: registry.staleMs < STALE_MS,
      detail: `read ${Math.round(registry.staleMs)} ms ago, revision ${registry.revision}`,
    },
    ...(storage.problem === undefined
      ? []
      : [{ name: "storage", ready: true, warning: true as const, detail: storage.problem }]),
    // A service that lacks something is no reason to send nobody here any more.
    { name: "resources", ready: true, ...describeResources(context, reconciler.problem) },
  ];
  metrics.gauge("trellis_registry_revision", "How far this replica has read the registry.", () => registry.revision);
  metrics.gauge("trellis_registry_stale_seconds", "Age of this replica's view.", () => registry.staleMs / 1000);
  metrics.gauge("trellis_connections", "Live connections of participants.", () => connections.size);
  metrics.gauge("trellis_deployments", "Deployments in the registry.", () => context.tables.deployments.size);
  metrics.gauge("trellis_callout_queue", "Connections waiting for a decision here.", () => access.counts.queued);
  metrics.counter("trellis_callouts_admitted_total", "Connections this replica let in.", () => access.counts.admitted);
  metrics.counter("trellis_callouts_denied_total", "Connections this replica refused.", () => access.counts.denied);
  metrics.counter(
    "trellis_callouts_dropped_total",
    "Questions answered too late to matter, or too many.",
    () => access.counts.dropped,
  );
  metrics.counter(
    "trellis_validations_total",
    "Questions of services about a caller; steady traffic causes none.",
    () => service.validations,
  );
  metrics.gauge("trellis_requests_in_flight", "Requests at work.", () => service.inFlight);
  metrics.gauge("trellis_open_feeds", "Feeds being read at this replica.", () => service.openFeeds);
  log.info("the control plane is ready", { url: http.url, origin, replicas });

  const resources = started.move();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    readiness = () => [{ name: "stop", ready: false, detail: "stopping" }];
    stopping ??= resources.disposeAsync();
    return stopping;
  };
  return { url: http.url, context, readiness: () => readiness(), stop, [Symbol.asyncDispose]: stop };
}

/** Without names: whoever may ask here need not know who runs what. */
function describeResources(
  { tables }: ControlContext,
  problem: string | undefined,
): Pick<ReadinessCheck, "detail" | "warning"> {
  if (problem !== undefined) return { warning: true, detail: `nothing can be made now: ${problem}` };
  const lacking = ["failed", "incomplete"].reduce(
    (sum, index) => sum + tables.authorities.by("reconcile", index).length,
    0,
  );
  if (lacking === 0) return { detail: "everything is there" };
  const who = lacking === 1 ? "1 deployment lacks" : `${lacking} deployments lack`;
  return { warning: true, detail: `${who} something: trellis status tells what` };
}

function starting(): BootstrapAnswer {
  return {
    status: "waiting",
    reason: "reconciliation_pending",
    message: "The control plane is starting and waits for NATS.",
    retryAfterMs: 500,
    serverNow: Date.now(),
  };
}
