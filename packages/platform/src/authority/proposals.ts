import { compareManifests, contractDigest, type Manifest } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { newId } from "../audit/audit.ts";
import { type CommandError, notFound } from "../command-error.ts";
import type { Entry, Transaction } from "../registry/registry.ts";
import { type Actor, type Authority, type Deployment, type KnownContract, type Plan, SYSTEM } from "../tables.ts";
import type { ControlContext } from "./context.ts";
import { accept } from "./decisions.ts";
import { auditPlan, currentState, oldestFirst, supersede, viewOf } from "./plan-records.ts";
import { isAcceptable, type PlanView } from "./plan-view.ts";

/** What became of a proposal. */
export type Proposal =
  /** What is proposed may connect already: it is the accepted contract, or an earlier one that still fits it. */
  | { readonly outcome: "identical" }
  /** A mutable-dev deployment took it at once; `plan` is the record of that. */
  | { readonly outcome: "accepted"; readonly plan: Plan; readonly view: PlanView }
  | { readonly outcome: "pending"; readonly plan: Plan; readonly view: PlanView; readonly heldBack?: string }
  /** A person turned it down; only a person can propose it again. */
  | { readonly outcome: "rejected"; readonly plan: Plan };

/**
 * Offers a contract for a deployment. Saying it again finds the plan that is open already. A mutable-dev deployment
 * accepts what can be accepted at once, and records that it did.
 */
export async function propose(
  context: ControlContext,
  input: { readonly deployment: string; readonly manifest: Manifest; readonly by: Actor },
): Promise<Result<Proposal, CommandError>> {
  const { registry, tables } = context;
  const digest = contractDigest(input.manifest);
  const { result } = await registry.transact<Result<Proposal, CommandError>>((tx) => {
    const deployment = tx.get(tables.deployments, input.deployment);
    const authority = tx.get(tables.authorities, input.deployment);
    if (!deployment || !authority) return err(notFound("deployment", input.deployment));
    rememberContract(context, tx, input.manifest, digest, input.by);
    if (authority.accepted.includes(digest)) return ok({ outcome: "identical" });
    const declined = input.by.type === "user" ? undefined : rejection(context, tx, authority, digest);
    if (declined) return ok({ outcome: "rejected", plan: declined });
    const { plan, created } = openPlan(context, tx, {
      deployment,
      authority,
      manifest: input.manifest,
      digest,
      by: input.by,
    });
    const view = viewOf(context, plan, input.manifest);
    const verdict = automatic(context, deployment, authority, plan, view);
    if (verdict.accept) {
      const decided = accept(context, tx, {
        deployment,
        authority,
        plan,
        view,
        by: SYSTEM,
        automatic: true,
        acknowledged: view.kind === "migration",
      });
      return ok({ outcome: "accepted", plan: decided, view });
    }
    if (created) {
      tx.put(tables.plans, plan.id, plan);
      auditPlan(context, tx, "plan.propose", input.by, plan);
    }
    return ok({
      outcome: "pending",
      plan,
      view,
      ...(verdict.heldBack === undefined ? {} : { heldBack: verdict.heldBack }),
    });
  });
  return result;
}

/** Writes down what time did to open plans, and takes those a mutable-dev deployment may take now. */
export async function sweepPlans(context: ControlContext): Promise<void> {
  for (const entry of context.tables.plans.by("state", "pending")) {
    if (!needsSweep(context, entry.value)) continue;
    await context.registry.transact((tx) => {
      const plan = tx.get(context.tables.plans, entry.id);
      if (!plan || plan.state !== "pending") return;
      const state = currentState(context, plan);
      const deployment = tx.get(context.tables.deployments, plan.deployment);
      const authority = tx.get(context.tables.authorities, plan.deployment);
      const manifest = tx.get(context.tables.contracts, plan.digest)?.manifest;
      if (state !== "pending") {
        tx.put(context.tables.plans, plan.id, { ...plan, state });
        auditPlan(context, tx, `plan.${state}`, SYSTEM, plan);
      } else if (deployment && authority && manifest) {
        const view = viewOf(context, plan, manifest);
        if (!automatic(context, deployment, authority, plan, view).accept) return;
        accept(context, tx, {
          deployment,
          authority,
          plan,
          view,
          by: SYSTEM,
          automatic: true,
          acknowledged: view.kind === "migration",
        });
      }
    });
  }
}

function needsSweep(context: ControlContext, plan: Plan): boolean {
  if (currentState(context, plan) !== "pending") return true;
  const deployment = context.tables.deployments.get(plan.deployment)?.value;
  const authority = context.tables.authorities.get(plan.deployment)?.value;
  const manifest = context.catalog.manifest(plan.digest);
  if (deployment?.mode !== "mutable-dev" || !authority || !manifest) return false;
  return automatic(context, deployment, authority, plan, viewOf(context, plan, manifest)).accept;
}

/** Makes a contract known: evidence for others, authority for nobody. Saying it again keeps it known. */
export function rememberContract(
  context: ControlContext,
  tx: Transaction,
  manifest: Manifest,
  digest: string,
  by: Actor,
): void {
  const known = tx.get(context.tables.contracts, digest);
  const now = context.now();
  const ttlMs = context.limits.presentedContractLifeMs;
  // Written anew at half its life only: waiting participants present the same contract every second.
  if (known && (known.kept || now - (known.presentedAt ?? known.firstSeenAt) < ttlMs / 2)) return;
  const record = known
    ? { ...known, presentedAt: now }
    : { digest, contractId: manifest.id, manifest, firstSeenAt: now, presentedBy: by };
  tx.put<KnownContract>(context.tables.contracts, digest, record, { ttlMs });
}

/** Whether a deployment takes this plan without a person, and if it normally would, why not this time. */
function automatic(
  context: ControlContext,
  deployment: Deployment,
  authority: Authority,
  plan: Plan,
  view: PlanView,
): { readonly accept: boolean; readonly heldBack?: string } {
  if (deployment.mode !== "mutable-dev" || !isAcceptable(view)) return { accept: false };
  if (view.capabilities.added.includes("admin")) {
    return { accept: false, heldBack: "it asks for the capability admin, which only a person gives" };
  }
  // Two live replicas with contradicting contracts would otherwise take turns for ever.
  const desired = authority.desired;
  const earlier = authority.history.some((past) => past.digest === plan.digest);
  if (
    view.kind === "migration" &&
    earlier &&
    desired &&
    context.liveness.replicas(deployment.name, desired.digest) > 0
  ) {
    return {
      accept: false,
      heldBack: "a replica with the contract that replaced this one is still connected; stop it, or accept the plan",
    };
  }
  return { accept: true };
}

function rejection(context: ControlContext, tx: Transaction, authority: Authority, digest: string): Plan | undefined {
  const newest = tx
    .by(context.tables.plans, "deployment", authority.deployment)
    .filter(({ value }) => value.digest === digest && value.baseVersion === authority.version)
    .sort(oldestFirst)
    .at(-1)?.value;
  return newest?.state === "rejected" ? newest : undefined;
}

function openPlan(
  context: ControlContext,
  tx: Transaction,
  input: {
    readonly deployment: Deployment;
    readonly authority: Authority;
    readonly manifest: Manifest;
    readonly digest: string;
    readonly by: Actor;
  },
): { readonly plan: Plan; readonly created: boolean } {
  const { tables, limits } = context;
  const { deployment, authority, manifest, digest, by } = input;
  const plans = tx.by(tables.plans, "deployment", deployment.name);
  const pending = plans.filter(({ value }) => currentState(context, value) === "pending");
  const same = pending.find(({ value }) => value.digest === digest);
  if (same) return { plan: same.value, created: false };
  supersede(context, tx, pending.sort(oldestFirst).slice(0, Math.max(0, pending.length + 1 - limits.pendingPlans)));
  forgetOld(context, tx, plans);
  const now = context.now();
  const current = authority.desired && tx.get(tables.contracts, authority.desired.digest)?.manifest;
  const breaking =
    current && (current.id !== manifest.id || compareManifests(current, manifest).verdict === "breaking");
  const plan: Plan = {
    id: newId(now),
    deployment: deployment.name,
    contractId: manifest.id,
    digest,
    kind: breaking ? "migration" : "update",
    state: "pending",
    baseVersion: authority.version,
    createdAt: now,
    expiresAt: now + limits.planLifeMs,
    proposedBy: by,
  };
  return { plan, created: true };
}

function forgetOld(context: ControlContext, tx: Transaction, plans: readonly Entry<Plan>[]): void {
  const decided = plans.filter(({ value }) => value.state !== "pending").sort(oldestFirst);
  for (const { id } of decided.slice(0, Math.max(0, decided.length - context.limits.keptPlans)))
    tx.delete(context.tables.plans, id);
}
