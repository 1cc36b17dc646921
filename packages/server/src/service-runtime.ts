import type { AuthCrypto } from "@trellis/auth";
import type { Link, LinkSubscription } from "@trellis/client/internal";
import { NO_BINDINGS } from "@trellis/contracts";
import type { AnyContract, ContractShape, ShapeOf } from "@trellis/contracts";
import { parseAuthChange, portableSha256Stream, TRELLIS_SUBJECTS } from "@trellis/protocol";
import type { Sha256Stream } from "@trellis/protocol";
import { AuthorityChanges } from "./authority-changes.ts";
import type { RequestAuthority } from "./authority.ts";
import type { RunInside } from "./call.ts";
import { consumerGroups } from "./consumers/consumer-group.ts";
import { Consumers, eventRegistrars, requireGroupHandlers } from "./consumers/consumers.ts";
import type { BindingSource } from "./consumers/consumers.ts";
import { feedEndpoints } from "./feeds/feed-endpoint.ts";
import { makeFeedHandle, requireFeedHandlers } from "./feeds/feed-registrars.ts";
import { FeedRouter } from "./feeds/feed-router.ts";
import type { Handle } from "./handlers.ts";
import { Health } from "./health.ts";
import { startHeartbeats } from "./heartbeat.ts";
import { SERVICE_LIMITS } from "./limits.ts";
import type { ServiceLimits } from "./limits.ts";
import { SILENT_LOG } from "./log.ts";
import type { Log } from "./log.ts";
import { serveMicro } from "./micro.ts";
import type { OperationControls } from "./operations/operation-handlers.ts";
import { createServiceOperations } from "./operations/service-operations.ts";
import { makeHandle, requireHandlers } from "./registrars.ts";
import { requireEverything } from "./require-everything.ts";
import { RequestCheck } from "./request-check.ts";
import type { PlatformClock } from "./request-check.ts";
import { rpcEndpoints } from "./rpc-endpoint.ts";
import { RpcRouter } from "./rpc-router.ts";
import type { Unanswered } from "./rpc-router.ts";
import { SessionDirectory } from "./session-directory.ts";
import type { StoreParts } from "./store/store-parts.ts";
import { StreamDoor } from "./streams/stream-door.ts";
import { Downloads } from "./transfers/downloads.ts";
import { Uploads } from "./transfers/uploads.ts";

export interface ServiceRuntimeOptions<C extends AnyContract, Client = unknown, Deps = unknown> {
  readonly contract: C;
  readonly link: Link;
  readonly authority: RequestAuthority;
  readonly crypto: AuthCrypto;
  /** The name a person gave the deployment. */
  readonly serviceName: string;
  /** Tells this replica from its siblings; letters, digits, `-` and `_`. */
  readonly instanceId: string;
  readonly clock?: PlatformClock;
  readonly limits?: Partial<ServiceLimits>;
  readonly log?: Log;
  /** What handlers find as `client`. */
  readonly client?: Client;
  /** What handlers find as `deps`. */
  readonly deps?: Deps;
  /** Listens to the notices of the control plane. An authority whose answers have no lease needs none. */
  readonly followChanges?: boolean;
  readonly heartbeats?: boolean;
  /** Runs each handler so that what it calls can find the trace it belongs to. */
  readonly runInside?: RunInside;
  /** What the platform named the contract's resources; without it no consumer group runs. */
  readonly bindings?: BindingSource;
  /** What works on the contract's object stores, by alias; without it nothing can be uploaded. */
  readonly storeOf?: (alias: string) => StoreParts | undefined;
  /** For files; default: one that works everywhere, only slower. */
  readonly newSha256?: (() => Sha256Stream) | undefined;
}

export type { RunInside } from "./call.ts";

/** One contract being served over one link. */
export interface ServiceRuntime<S extends ContractShape, Client = unknown, Deps = unknown> {
  readonly handle: Handle<S, Client, Deps>;
  /** `operations.<group>.<leaf>.control(id)`: ends operations that were deferred. */
  readonly operations: OperationControls<S>;
  readonly health: Health;
  /** Handlers at work, those of operations too. */
  readonly inFlight: number;
  /** Feeds open at this replica. */
  readonly openFeeds: number;
  /** Messages that got no answer, by why. */
  readonly unanswered: Unanswered;
  /** Sessions known now, and questions put to the authority so far. */
  readonly sessions: { readonly known: number; readonly asked: number };
  /** Takes requests from here on; resolves when NATS has heard of it. Throws when a handler is missing. */
  start(): Promise<void>;
  /** Takes nothing new and finishes what it accepted, within a bound. */
  drain(): Promise<{ readonly left: number }>;
  /** Ends at once. The link stays open: it belongs to whoever made it. */
  close(): void;
}

const LOCAL_CLOCK: PlatformClock = { nowMs: () => Date.now() };

/** Serves a contract. The control plane and every service run through here; only the authority differs. */
export function createServiceRuntime<C extends AnyContract, Client = unknown, Deps = unknown>(
  options: ServiceRuntimeOptions<C, Client, Deps>,
): ServiceRuntime<ShapeOf<C>, Client, Deps> {
  const { contract, link } = options;
  const limits: ServiceLimits = { ...SERVICE_LIMITS, ...options.limits };
  const log = options.log ?? SILENT_LOG;
  const clock = options.clock ?? LOCAL_CLOCK;
  const followsChanges = options.followChanges ?? true;
  const changes = new AuthorityChanges();
  const sessions = new SessionDirectory({ authority: options.authority, changes, limits, followsChanges });
  const check = new RequestCheck({ crypto: options.crypto, clock, sessions, authority: options.authority, limits });
  const endpoints = rpcEndpoints(contract.manifest);
  const groups = consumerGroups(contract);
  const consumers = new Consumers(groups);
  const health = new Health(limits.healthCheckMs);
  const feeds = feedEndpoints(contract.manifest);
  const surroundings = { log, client: options.client, deps: options.deps, runInside: options.runInside };
  let started = false;
  const door = new StreamDoor({ link, contractId: contract.id, check, maxVerifying: limits.maxVerifying, log });
  const streams = { link, check, sessions, surroundings, door, instanceId: options.instanceId, limits };
  const service = options.serviceName;
  const downloads = new Downloads({ ...streams, service, clock, newHash: options.newSha256 ?? portableSha256Stream });
  const uploads = new Uploads({
    ...streams,
    service,
    clock,
    queue: contract.id,
    operations: contract.manifest.operations ?? {},
    storeOf: options.storeOf ?? (() => undefined),
  });
  const operations = createServiceOperations<C, Client, Deps>({
    contract,
    link,
    service,
    instance: options.instanceId,
    bindings: () => options.bindings?.current() ?? NO_BINDINGS,
    nowMs: () => clock.nowMs(),
    limits,
    surroundings,
    uploads,
    isStarted: () => started,
  });
  const feedRouter = new FeedRouter({
    ...streams,
    service,
    queue: contract.id,
    endpoints: [...feeds.values(), ...operations.watches],
  });
  // Those who wait for operations must not take the place of those who ask.
  const waits = new RpcRouter({
    link,
    queue: contract.id,
    endpoints: operations.waits,
    check,
    limits: { ...limits, maxInFlight: limits.maxOpenWaits, maxQueued: 0 },
    surroundings,
    downloads,
  });
  const router = new RpcRouter({
    link,
    queue: contract.id,
    endpoints: [...endpoints.values(), ...operations.actions],
    check,
    limits,
    surroundings,
    downloads,
  });

  const stops: (() => void)[] = [];
  const stopAll = (): void => {
    for (const stop of stops.splice(0)) stop();
  };

  return {
    handle: {
      ...makeHandle<ShapeOf<C>, Client, Deps>(endpoints, () => started),
      feed: makeFeedHandle<ShapeOf<C>, Client, Deps>(feeds, () => started),
      operation: operations.handle,
      // The names come from the same manifest the types come from; the type system cannot follow them through a loop.
      events: eventRegistrars(groups, () => started) as unknown as Handle<ShapeOf<C>, Client, Deps>["events"],
    },
    operations: operations.controls,
    health,
    get inFlight() {
      return router.inFlight + operations.running;
    },
    get openFeeds() {
      return feedRouter.openFeeds;
    },
    get unanswered() {
      return router.unanswered;
    },
    get sessions() {
      return { known: sessions.size, asked: sessions.asked };
    },
    async start() {
      requireEverything(
        () => requireHandlers(contract.id, endpoints),
        () => requireGroupHandlers(contract.id, groups),
        () => requireFeedHandlers(contract.id, feeds),
        () => operations.requireHandlers(),
      );
      await operations.prepare();
      started = true;
      if (followsChanges) {
        const following = follow(link, changes, sessions, log);
        stops.push(() => following.close());
      }
      stops.push(forgetOnReconnect(link, sessions));
      router.start();
      waits.start();
      if (options.bindings !== undefined) {
        consumers.start({ link, bindings: options.bindings, surroundings, handlerMs: limits.eventHandlerMs });
      }
      feedRouter.start();
      operations.start();
      uploads.start();
      const startedAt = new Date(clock.nowMs());
      const micro = serveMicro(link, {
        name: options.serviceName,
        id: options.instanceId,
        version: `${contract.id.slice(contract.id.lastIndexOf("@v") + 2)}.0.0`,
        description: contract.manifest.description,
        metadata: { contract: contract.id, digest: contract.digest },
        endpoints: [...endpoints.values()].map(({ name, subject, stats }) => ({
          // The protocol allows no dots in a name.
          name: name.replaceAll(".", "-"),
          subject,
          queueGroup: contract.id,
          stats,
        })),
        startedAt,
      });
      stops.push(() => micro.forEach((subscription) => subscription.close()));
      await link.flush();
      if (options.heartbeats === false) return;
      const beats = startHeartbeats({
        link,
        health,
        clock,
        log,
        everyMs: limits.heartbeatMs,
        service: options.serviceName,
        instance: options.instanceId,
        contract,
        startedAt,
        inFlight: () => router.inFlight,
      });
      stops.push(() => beats.stop());
    },
    async drain() {
      const waiting = waits.drain(limits.drainMs);
      operations.release();
      const [, , ...drained] = await Promise.all([
        consumers.drain(limits.drainMs),
        waiting,
        router.drain(limits.drainMs),
        feedRouter.drain(limits.drainMs),
        operations.drain(limits.drainMs),
        uploads.drain(limits.drainMs),
        downloads.drain(limits.drainMs),
      ]);
      const result = { left: drained.reduce((sum, { left }) => sum + left, 0) };
      stopAll();
      if (link.state === "connected") await link.flush();
      return result;
    },
    close() {
      stopAll();
      router.close();
      waits.close();
      operations.close();
      feedRouter.close();
      uploads.close();
      downloads.close();
      consumers.close();
    },
  };
}

/** Keeps the directory true to what the control plane announces. */
function follow(link: Link, changes: AuthorityChanges, sessions: SessionDirectory, log: Log): LinkSubscription {
  return link.subscribe(TRELLIS_SUBJECTS.authChanges, {
    onMessage: (message) => {
      const notice = parseAuthChange(message.data);
      // What cannot be read may have been about anybody.
      if (notice === undefined) return sessions.doubtAll();
      const outcome = changes.apply(notice, performance.now());
      if (outcome === "epoch") return sessions.forgetAll();
      sessions.drop(notice);
      if (outcome === "gap") sessions.doubtOlder();
    },
    onRefused: () =>
      log.warn(
        "This service may not hear changes of authority: it asks about every session again after a few seconds.",
      ),
  });
}

/** Between two connections anything may have been announced. */
function forgetOnReconnect(link: Link, sessions: SessionDirectory): () => void {
  return link.onState((state) => {
    if (state === "connected") sessions.forgetAll();
  });
}
