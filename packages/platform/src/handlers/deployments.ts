import { err, ok } from "@trellis/result";
import { NotFound, type auth } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { currentState } from "../authority/plan-records.ts";
import { requestReconcile } from "../authority/reconciler.ts";
import { closureGaps } from "../catalog/world.ts";
import { createDeployment, removeDeployment, updateDeployment } from "../deployments/deployment-commands.ts";
import type { Authority, Deployment } from "../tables.ts";
import { actorOf, declared, type HandlersOf, isoTime } from "./handler.ts";
import { page } from "./page.ts";

type Names =
  | "Auth.Deployments.Create"
  | "Auth.Deployments.List"
  | "Auth.Deployments.Get"
  | "Auth.Deployments.Update"
  | "Auth.Deployments.Remove"
  | "Auth.Authority.Reconcile";

/** Deployments: make, look at, change, remove, and look again at what should exist. */
export function deploymentHandlers(context: ControlContext): HandlersOf<typeof auth, Names> {
  const { tables, registry } = context;
  const get = (name: string) => {
    const deployment = tables.deployments.get(name)?.value;
    return deployment ? ok(deploymentView(context, deployment)) : err(new NotFound({ kind: "deployment", name }));
  };
  return {
    "Auth.Deployments.Create": async ({ input, caller }) => {
      const created = await createDeployment(context, {
        name: input.name,
        mode: input.mode ?? "strict",
        by: actorOf(caller),
      });
      return created.ok ? get(input.name) : err(declared(created.error));
    },
    "Auth.Deployments.List": async ({ input }) => {
      const { items, ...more } = page(tables.deployments.all(), (entry) => entry.id, input);
      return ok({ deployments: items.map((entry) => deploymentView(context, entry.value)), ...more });
    },
    "Auth.Deployments.Get": async ({ input }) => get(input.deployment),
    "Auth.Deployments.Update": async ({ input, caller }) => {
      const { deployment: name, mode, enabled } = input;
      const updated = await updateDeployment(context, {
        name,
        ...(mode === undefined ? {} : { mode }),
        ...(enabled === undefined ? {} : { enabled }),
        by: actorOf(caller),
      });
      return updated.ok ? get(name) : err(declared(updated.error));
    },
    "Auth.Deployments.Remove": async ({ input, caller }) => {
      const removed = await removeDeployment(context, { name: input.deployment, by: actorOf(caller) });
      return removed.ok ? ok({ revision: registry.revision }) : err(declared(removed.error));
    },
    "Auth.Authority.Reconcile": async ({ input }) => {
      const found = await requestReconcile(context, input.deployment);
      return found ? get(input.deployment) : err(new NotFound({ kind: "deployment", name: input.deployment }));
    },
  };
}

type DeploymentView =
  Awaited<ReturnType<HandlersOf<typeof auth, "Auth.Deployments.Get">["Auth.Deployments.Get"]>> extends infer R
    ? R extends { readonly ok: true; readonly value: infer V }
      ? V
      : never
    : never;

/** A deployment with everything a person asks about it: what it runs, what it waits for, who is connected. */
export function deploymentView(context: ControlContext, deployment: Deployment): DeploymentView {
  const { tables, liveness, catalog } = context;
  const { name } = deployment;
  const authority = tables.authorities.get(name)?.value;
  const pending = tables.plans.by("deployment", name).filter(({ value }) => currentState(context, value) === "pending");
  const manifest = authority?.desired && catalog.manifest(authority.desired.digest);
  const contractId = authority?.desired?.contractId;
  return {
    id: name,
    name,
    mode: deployment.mode,
    enabled: deployment.enabled,
    ...(contractId === undefined ? {} : { contractId }),
    ...(authority?.desired ? { desiredDigest: authority.desired.digest } : {}),
    ...(authority?.materialized ? { materializedDigest: authority.materialized.digest } : {}),
    version: authority?.version ?? 0,
    reconcile: reconcileView(authority),
    waitingFor: manifest ? closureGaps(manifest, catalog).map((gap) => gap.contractId) : [],
    pendingPlans: pending.map(({ id }) => id).sort(),
    instances: tables.instances.by("deployment", name).length,
    liveReplicas: liveness.replicas(name),
    createdAt: isoTime(deployment.createdAt),
  };
}

function reconcileView(authority: Authority | undefined): DeploymentView["reconcile"] {
  if (!authority?.desired) return { state: "none" };
  const { state, problems, updatedAt, nextAttemptAt } = authority.reconcile;
  const retry = nextAttemptAt === undefined ? "" : ` (tried again at ${isoTime(nextAttemptAt)})`;
  return {
    state: state === "done" ? "ready" : state === "failed" ? "failing" : "pending",
    ...(problems.length > 0 ? { message: `${problems.join("; ")}${retry}` } : {}),
    at: isoTime(updatedAt),
  };
}
