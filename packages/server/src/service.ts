import type { MsgHdrs } from "@nats-io/nats-core";
import type { AuthCrypto } from "@trellis/auth";
import { createClient } from "@trellis/client";
import type { ClientConnection, TrellisClient } from "@trellis/client";
import type { Link, RequestSigner } from "@trellis/client/internal";
import type { AnyContract, Bindings, JobsOf, ShapeOf } from "@trellis/contracts";
import { NO_BINDINGS } from "@trellis/contracts";
import type { JobRegistrars, ServiceJobs } from "@trellis/jobs";
import { createServiceJobs } from "@trellis/jobs/internal";
import { randomToken } from "@trellis/protocol";
import type { Sha256Stream } from "@trellis/protocol";
import type { Handle } from "./handlers.ts";
import type { HealthCheck, HealthReport } from "./health.ts";
import { serviceKv } from "./kv/service-kv.ts";
import type { KvMigrations, ServiceKv } from "./kv/service-kv.ts";
import { SERVICE_LIMITS } from "./limits.ts";
import type { ServiceLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { PlatformClock } from "./request-check.ts";
import type { OperationControls } from "./operations/operation-handlers.ts";
import { createRpcAuthority } from "./rpc-authority.ts";
import { createServiceRuntime } from "./service-runtime.ts";
import { serviceStore } from "./store/service-store.ts";
import type { ServiceStore } from "./store/service-store.ts";
import type { RunInside } from "./service-runtime.ts";

/** Whether a replica should get work, and why not. */
export interface Readiness {
  readonly ready: boolean;
  readonly connection: "connected" | "reconnecting" | "closed";
  readonly health: HealthReport;
}

/** A service: what answers its contract's RPCs, and its connection to the platform. */
export interface TrellisService<C extends AnyContract = AnyContract, Deps = undefined> extends AsyncDisposable {
  readonly contract: C;
  /** The name of the deployment. */
  readonly name: string;
  /** Names this replica in heartbeats and in `nats micro`. */
  readonly instance: string;
  /** `service.handle.rpc.<group>.<leaf>(handler)`; every RPC of the contract needs one before the service runs. */
  readonly handle: Handle<ShapeOf<C>, TrellisClient<C>, Deps> & {
    /** `service.handle.job.<queue>(handler)`: runs the jobs of a queue; without one this replica only creates them. */
    readonly job: JobRegistrars<JobsOf<C>, TrellisClient<C>, Deps>;
  };
  /** `service.jobs.<queue>.create(payload)`: work that survives whoever does it. */
  readonly jobs: ServiceJobs<C>;
  /** `service.operation.<group>.<leaf>.control(id)`: ends operations whose handlers have deferred them. */
  readonly operation: OperationControls<ShapeOf<C>>;
  /** The KV buckets of the contract by alias; one it can live without is `undefined` when the platform has none. */
  readonly kv: ServiceKv<C>;
  /** The object stores of the contract by alias; one it can live without is `undefined` when the platform has none. */
  readonly store: ServiceStore<C>;
  /** Publishes the contract's events and listens to those it uses; the same as `client.event`. */
  readonly event: TrellisClient<C>["event"];
  /** Calls what the contract uses. */
  readonly client: TrellisClient<C>;
  readonly connection: ClientConnection;
  /** Where the service writes what people should be able to find later. */
  readonly log: Log;
  readonly health: {
    /** Adds a check that heartbeats and readiness report; throwing or `false` means failed. */
    check(name: string, check: HealthCheck): void;
    report(): Promise<HealthReport>;
  };
  /** Connected, serving, and no check fails. */
  readiness(): Promise<Readiness>;
  /** Serves until the process is asked to stop, then drains: finishes what it accepted and takes nothing new. */
  run(): Promise<void>;
  /** Begins to serve; for tests and programs with a life of their own. `run` does it too. */
  start(): Promise<void>;
  /** Drains and disconnects. */
  stop(): Promise<void>;
}

/** The part of a session a service needs; `connectSession` of the client makes one. */
export interface ServiceSession {
  readonly link: Link;
  readonly signer: RequestSigner;
  readonly clock: PlatformClock;
  readonly ended: AbortSignal;
  /** The platform's newest answer: what the contract's resources are called. */
  readonly facts?: { readonly bindings: Bindings };
  /** Whether a required use grants nothing at the moment, because its contract is not in force. */
  isInactive?(alias: string): boolean;
  /** Told when the platform's answer has changed; returns the function that stops listening. */
  onFacts?(listener: () => void): () => void;
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** What a runtime (Node, Deno, Bun) brings to a service. */
export interface ServiceHost {
  readonly crypto: AuthCrypto;
  /** For objects of any size; default: one that works everywhere, only slower. */
  readonly newSha256?: () => Sha256Stream;
  /** Resolves when the process is asked to stop. */
  readonly untilAskedToStop: () => { readonly asked: Promise<string>; forget(): void };
  /** Carries the trace of a call to the calls its handler makes. */
  readonly tracing?: {
    readonly runInside: RunInside;
    signer(signer: RequestSigner): RequestSigner;
    inject(headers: MsgHdrs): void;
  };
}

export interface ServiceOptions<C extends AnyContract, Deps> {
  readonly contract: C;
  readonly name: string;
  readonly session: ServiceSession;
  readonly host: ServiceHost;
  readonly deps: Deps;
  readonly log: Log;
  readonly limits?: Partial<ServiceLimits>;
  readonly migrate?: Migrations<C>;
}

/** How values that an older version of the contract stored become values of this one. */
export interface Migrations<C extends AnyContract> {
  readonly kv?: KvMigrations<C>;
}

/** Puts a service together over a session that is already there. */
export function createService<C extends AnyContract, Deps>(options: ServiceOptions<C, Deps>): TrellisService<C, Deps> {
  const { contract, name, session, host, log } = options;
  const { link } = session;
  const limits: ServiceLimits = { ...SERVICE_LIMITS, ...options.limits };
  const instance = randomToken(INSTANCE_CHARACTERS);
  const signer = host.tracing?.signer(session.signer) ?? session.signer;
  const transport = {
    link,
    signer,
    clock: session.clock,
    isInactive: (alias: string) => session.isInactive?.(alias) === true,
    refresh: () => session.refresh(),
    ...(host.tracing === undefined ? {} : { trace: host.tracing.inject }),
  };
  const bindings = (): Bindings => session.facts?.bindings ?? NO_BINDINGS;
  const stores = serviceStore({ contract, link, bindings, log, newHash: host.newSha256 });
  const client = createClient({ contract, transport, newSha256: host.newSha256 });
  const runtime = createServiceRuntime<C, TrellisClient<C>, Deps>({
    contract,
    link,
    authority: createRpcAuthority({ link, signer: session.signer, timeoutMs: limits.validateTimeoutMs }),
    crypto: host.crypto,
    serviceName: name,
    instanceId: instance,
    clock: session.clock,
    limits,
    log,
    client,
    deps: options.deps,
    ...(host.tracing === undefined ? {} : { runInside: host.tracing.runInside }),
    bindings: {
      current: bindings,
      onChange: (listener) => session.onFacts?.(listener) ?? (() => undefined),
    },
    storeOf: (alias) => stores.partsOf(alias),
    newSha256: host.newSha256,
  });

  const kv = serviceKv({ contract, link, bindings, migrations: options.migrate?.kv });
  const jobs = createServiceJobs<C, TrellisClient<C>, Deps>({
    contract,
    link,
    service: name,
    instance,
    bindings,
    nowMs: () => session.clock.nowMs(),
    log,
    client,
    deps: options.deps,
    ...(host.tracing === undefined ? {} : { runInside: host.tracing.runInside }),
  });

  let state: "new" | "serving" | "stopped" = "new";
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  const stopped = Promise.withResolvers<void>();

  const start = (): Promise<void> => {
    starting ??= runtime.start().then(() => {
      jobs.start();
      if (state === "new") state = "serving";
    });
    return starting;
  };
  const stop = (): Promise<void> => {
    stopping ??= drain().finally(() => stopped.resolve());
    return stopping;
  };
  const drain = async (): Promise<void> => {
    const [{ left }, { left: jobsLeft }] =
      state === "serving"
        ? await Promise.all([runtime.drain(), jobs.drain(limits.drainMs)])
        : [{ left: 0 }, { left: 0 }];
    if (jobsLeft > 0) log.warn("Stopped with jobs unfinished: others run them again.", { left: jobsLeft });
    state = "stopped";
    if (left > 0) log.warn("Stopped with requests unfinished: their handlers did not heed their signal.", { left });
    runtime.close();
    await session.link.drain();
    await session.close();
  };

  return {
    contract,
    name,
    instance,
    handle: { ...runtime.handle, job: jobs.handle },
    jobs: jobs.jobs,
    operation: runtime.operations,
    kv,
    store: stores.store,
    event: client.event,
    client,
    connection: client.connection,
    log,
    health: {
      check: (checkName, check) => runtime.health.check(checkName, check),
      report: () => runtime.health.report(),
    },
    async readiness() {
      const health = await runtime.health.report();
      const connection = link.state;
      return {
        ready: state === "serving" && connection === "connected" && health.status !== "fail",
        connection,
        health,
      };
    },
    async run() {
      const stopRequest = host.untilAskedToStop();
      try {
        await start();
        log.info("Serving.", { service: name, contract: contract.id, digest: contract.digest, instance });
        const why = await Promise.race([stopRequest.asked, untilAborted(session.ended), stopped.promise]);
        if (typeof why === "string")
          log.info("Asked to stop: finishing what was accepted.", { by: why, inFlight: runtime.inFlight });
      } finally {
        stopRequest.forget();
        await stop();
      }
      // The platform ended the session: whoever runs this process should see that it did not stop by itself.
      if (session.ended.aborted) throw session.ended.reason;
    },
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

const INSTANCE_CHARACTERS = 12;

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
