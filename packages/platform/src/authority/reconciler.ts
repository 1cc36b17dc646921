import type { Manifest } from "@trellis/contracts";
import type { Resource } from "../resources/resource-plan.ts";
import { bindingsOf, planResources, requiredBy, resourcesFingerprint } from "../resources/resource-plan.ts";
import type { ResourceStore } from "../resources/jetstream.ts";
import { carryOutPurges } from "../resources/purge.ts";
import { type Authority, AUTHORITIES, CONTRACTS, DEPLOYMENTS, PLANS, PURGES } from "../tables.ts";
import type { ControlContext } from "./context.ts";
import { sweepPlans } from "./proposals.ts";

/**
 * Makes what was accepted exist.
 * 1. Level-triggered: each round compares what should be with what is, whatever happened before.
 * 2. Every step may be repeated and the process may die between any two: only the last one, in the registry, says
 *    that a deployment is materialized.
 * 3. A failure keeps the last good materialization in force, says why, and is tried again with growing delays. What the
 *    contract can live without keeps nothing up: the deployment is materialized without it, and gets it when it can be made.
 * 4. An alias that is gone is released, its data stays. Only what somebody decided to purge is deleted, before anything
 *    is made.
 * 5. Two of these at once do no harm; the lease only saves work.
 */
export interface Reconciler {
  /** One round over everything that needs work now; answers how many deployments were worked on. */
  round(): Promise<number>;
  /** Why nothing can be made at all at the moment, as this replica met it last. */
  readonly problem: string | undefined;
  /** Rounds by registry changes, retries that came due and a slow sweep of what exists, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** When to try again and when to look at everything. */
export interface ReconcilerTimes {
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** How often what exists is compared with what was made, in case somebody removed it. */
  readonly sweepMs: number;
}

export const RECONCILER_TIMES: ReconcilerTimes = { retryMinMs: 500, retryMaxMs: 60_000, sweepMs: 5 * 60_000 };

/** What happened, for the log and the metrics. */
export interface ReconcilerEvents {
  materialized?(deployment: string, version: number): void;
  failed?(deployment: string, problems: readonly string[]): void;
  /** A round broke off: JetStream or the registry did not answer. It is tried again. */
  interrupted?(error: unknown): void;
}

/** Makes the reconciler of one replica; run it while holding the lease. */
export function createReconciler(options: {
  readonly context: ControlContext;
  readonly store: ResourceStore;
  readonly times?: Partial<ReconcilerTimes>;
  readonly events?: ReconcilerEvents;
  /** What else there is to look at from time to time before what exists is compared with what should. */
  readonly beforeSweep?: () => Promise<void>;
}): Reconciler {
  const { context, store, events = {}, beforeSweep } = options;
  const times = { ...RECONCILER_TIMES, ...options.times };
  let sharedReady = false;
  let problem: string | undefined;

  const ensureShared = async (): Promise<void> => {
    const problems = await store.ensureShared();
    if (problems.length > 0) throw new Error(problems.join("; "));
    sharedReady = true;
  };

  const round = async (): Promise<number> => {
    if (!sharedReady) await ensureShared();
    await sweepPlans(context);
    let worked = await carryOutPurges(context, store);
    for (const value of due(context)) {
      await reconcileOne(context, store, value, times, events);
      worked += 1;
    }
    return worked;
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    const bell = new Bell();
    const watched = new Set([AUTHORITIES, DEPLOYMENTS, CONTRACTS, PLANS, PURGES].map((table) => table.name));
    const stop = context.registry.onChange((changes) => {
      if (changes.some((change) => watched.has(change.table))) bell.ring();
    });
    const wake = (): void => bell.ring();
    signal.addEventListener("abort", wake);
    let nextSweep = context.now();
    try {
      while (!signal.aborted) {
        let pause = times.sweepMs;
        try {
          // Work finished by one round may be what another waited for.
          while (!signal.aborted && (await round()) > 0);
          if (context.now() >= nextSweep) {
            nextSweep = context.now() + times.sweepMs;
            await beforeSweep?.();
            await ensureShared();
            if ((await markDifferent(context, store)) > 0) bell.ring();
          }
          pause = Math.min(pause, nextDue(context) - context.now());
          problem = undefined;
        } catch (error) {
          problem = error instanceof Error ? error.message : String(error);
          events.interrupted?.(error);
          sharedReady = false;
          pause = times.retryMinMs;
        }
        await bell.wait(Math.max(10, pause));
      }
    } finally {
      stop();
      signal.removeEventListener("abort", wake);
      // Whoever has the lease now knows better.
      problem = undefined;
    }
  };

  return {
    round,
    run,
    get problem() {
      return problem;
    },
  };
}

/** Asks for another look at a deployment now, also after a failure that would wait. */
export async function requestReconcile(context: ControlContext, deployment: string): Promise<boolean> {
  const { result } = await context.registry.transact((tx) => {
    const authority = tx.get(context.tables.authorities, deployment);
    if (!authority) return false;
    if (!authority.desired) return true;
    const reconcile: Authority["reconcile"] = {
      state: "pending",
      attempts: 0,
      updatedAt: context.now(),
      problems: authority.reconcile.problems,
    };
    tx.put<Authority>(context.tables.authorities, deployment, { ...authority, reconcile });
    return true;
  });
  return result;
}

/** What should exist for a deployment by its accepted contract. */
function wanted(context: ControlContext, authority: Authority): readonly Resource[] | undefined {
  const manifest = authority.desired && context.catalog.manifest(authority.desired.digest);
  return manifest && planResources(authority.deployment, manifest, context.catalog);
}

/** Those that are tried again when their time has come. */
const AGAIN = ["failed", "incomplete"] as const;

/** What needs work now, found by index: a platform of thousands is not walked through at every change. */
function due(context: ControlContext): readonly Authority[] {
  const { authorities } = context.tables;
  const values = (index: string, key: string): readonly Authority[] =>
    authorities.by(index, key).map(({ value }) => value);
  return [
    ...values("reconcile", "pending"),
    ...AGAIN.flatMap((index) => values("reconcile", index)).filter(
      ({ reconcile }) => context.now() >= (reconcile.nextAttemptAt ?? 0),
    ),
    // An event of another contract may have come or gone since: the consumers that read it follow.
    ...values("follows", "yes").filter(
      (authority) =>
        authority.reconcile.state === "done" &&
        resourcesFingerprint(wanted(context, authority) ?? []) !== authority.materialized?.fingerprint,
    ),
  ].filter(({ desired }) => desired !== undefined);
}

/** Whether some event consumer of the contract reads another contract's events. */
function follows(manifest: Manifest | undefined): boolean {
  return Object.values(manifest?.eventConsumers ?? {}).some((group) => group.uses !== undefined);
}

async function reconcileOne(
  context: ControlContext,
  store: ResourceStore,
  authority: Authority,
  times: ReconcilerTimes,
  events: ReconcilerEvents,
): Promise<void> {
  const resources = wanted(context, authority);
  const manifest = authority.desired && context.catalog.manifest(authority.desired.digest);
  const problems: string[] = [];
  /** What could not be made of what the contract can live without. */
  const lacking = new Map<Resource, string>();
  if (!resources) problems.push("The accepted contract is missing from the registry; propose and accept it again");
  for (const resource of resources ?? []) {
    try {
      const problem = await store.ensure(resource, madeAt(authority, resource));
      if (problem === undefined) continue;
      if (manifest === undefined || requiredBy(manifest, resource) || isBound(authority, resource))
        problems.push(problem);
      else lacking.set(resource, problem);
    } catch (error) {
      problems.push(`JetStream did not answer: ${error instanceof Error ? error.message : String(error)}`);
      break;
    }
  }
  await context.registry.transact((tx) => {
    const current = tx.get(context.tables.authorities, authority.deployment);
    // Another version was accepted meanwhile: what was made stays, its own round finishes the rest.
    if (!current?.desired || current.version !== authority.version) return;
    const at = context.now();
    const attempts = current.reconcile.attempts + 1;
    const again = { attempts, updatedAt: at, nextAttemptAt: at + retryDelay(attempts, times) };
    if (problems.length === 0 && resources) {
      const { version, contractId, digest } = current.desired;
      tx.put<Authority>(context.tables.authorities, current.deployment, {
        ...current,
        materialized: {
          version,
          contractId,
          digest,
          bindings: bindingsOf(
            current.deployment,
            resources.filter((resource) => !lacking.has(resource)),
          ),
          fingerprint: resourcesFingerprint(resources),
          follows: follows(context.catalog.manifest(digest)),
          // The order of deployments that offer the same contract is that of what they accepted.
          at: current.materialized?.version === version ? current.materialized.at : at,
        },
        reconcile:
          lacking.size === 0
            ? { state: "done", attempts: 0, updatedAt: at, problems: [] }
            : { state: "done", ...again, problems: [...lacking.values()] },
      });
    } else {
      tx.put<Authority>(context.tables.authorities, current.deployment, {
        ...current,
        reconcile: { state: "failed", ...again, problems: [...problems, ...lacking.values()] },
      });
    }
  });
  if (problems.length === 0) events.materialized?.(authority.deployment, authority.version);
  const unmade = [...problems, ...lacking.values()];
  if (unmade.length > 0) events.failed?.(authority.deployment, unmade);
}

/** Whether it is in force already: nothing takes a bucket from a service that works with it. */
function isBound({ materialized }: Authority, { kind, owner }: Resource): boolean {
  return (
    materialized !== undefined &&
    (kind === "kv" || kind === "store") &&
    Object.hasOwn(materialized.bindings[kind], owner.alias)
  );
}

/** Since when a consumer has been there, by what was last made for its deployment. */
function madeAt({ materialized }: Authority, resource: Resource): number | undefined {
  if (resource.kind !== "eventConsumer" || materialized === undefined) return undefined;
  return Object.hasOwn(materialized.bindings.eventConsumers, resource.owner.alias) ? materialized.at : undefined;
}

/** Doubles, and is spread so that deployments that failed together do not come back together. */
function retryDelay(attempts: number, times: ReconcilerTimes): number {
  const full = Math.min(times.retryMaxMs, times.retryMinMs * 2 ** Math.min(attempts - 1, 20));
  return full / 2 + (Math.random() * full) / 2;
}

function nextDue(context: ControlContext): number {
  let next = Number.POSITIVE_INFINITY;
  for (const index of AGAIN)
    for (const { value } of context.tables.authorities.by("reconcile", index))
      next = Math.min(next, value.reconcile.nextAttemptAt ?? 0);
  for (const { value } of context.tables.plans.by("state", "pending")) next = Math.min(next, value.expiresAt);
  return next;
}

/** Marks deployments whose resources somebody removed or changed behind our back, or that have too few copies now. */
async function markDifferent(context: ControlContext, store: ResourceStore): Promise<number> {
  const existing = await store.existing();
  let marked = 0;
  for (const { value } of context.tables.authorities.all()) {
    // One that lacks something is tried again anyway.
    if (value.reconcile.state !== "done" || value.reconcile.nextAttemptAt !== undefined) continue;
    if ((wanted(context, value) ?? []).every((resource) => store.fits(resource, existing))) continue;
    await requestReconcile(context, value.deployment);
    marked += 1;
  }
  return marked;
}

/** Waits until somebody rings or time passes; a ring while nobody waits is kept. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#rung = false;
  }
}
