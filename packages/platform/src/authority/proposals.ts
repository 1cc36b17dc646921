import { contractDigest, contractName, compareManifests, type Manifest } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { newId, recordAudit } from "../audit/audit.ts";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Entry, Transaction } from "../registry/registry.ts";
import {
  type AcceptedContract,
  type Actor,
  type Authority,
  type Deployment,
  type KnownContract,
  type Plan,
  type PlanState,
  SYSTEM,
} from "../tables.ts";
import type { ControlContext } from "./context.ts";
import { type LiveUse, planAuthority } from "./plan-authority.ts";
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
      audit(context, tx, "plan.propose", input.by, plan);
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

/** Accepts a plan as it stands now. A migration has to be acknowledged, because it breaks somebody. */
export async function acceptPlan(
  context: ControlContext,
  input: { readonly plan: string; readonly by: Actor; readonly acknowledge?: boolean; readonly note?: string },
): Promise<Result<{ readonly plan: Plan; readonly view: PlanView }, CommandError>> {
  const { result } = await context.registry.transact<
    Result<{ readonly plan: Plan; readonly view: PlanView }, CommandError>
  >((tx) => {
    const open = openFor(context, tx, input.plan);
    if (!open.ok) return open;
    const { plan, deployment, authority, manifest } = open.value;
    const view = viewOf(context, plan, manifest);
    if (!isAcceptable(view)) {
      return err(
        refused(
          "plan_blocked",
          view.blockers.map((blocker) => `${blocker.message}.`).join(" "),
          "The plan stays open until then.",
        ),
      );
    }
    if (view.kind === "migration" && input.acknowledge !== true) {
      const who = [...new Set(view.breaks.flatMap((one) => one.who))];
      const surfaces = view.breaks.map((one) => one.surface).join(", ");
      return err(
        refused(
          "acknowledge_required",
          `This is a migration: it breaks ${surfaces === "" ? "what was agreed" : surfaces}${who.length > 0 ? `, used now by ${who.join(", ")}` : ""}.`,
          `Accept it knowingly: trellis svc accept ${plan.id} --acknowledge`,
        ),
      );
    }
    const decided = accept(context, tx, {
      deployment,
      authority,
      plan,
      view,
      by: input.by,
      automatic: false,
      acknowledged: input.acknowledge === true,
      ...(input.note === undefined ? {} : { note: input.note }),
    });
    return ok({ plan: decided, view });
  });
  return result;
}

/** Turns a plan down; the contract may be proposed again. */
export async function rejectPlan(
  context: ControlContext,
  input: { readonly plan: string; readonly by: Actor; readonly note?: string },
): Promise<Result<{ readonly plan: Plan; readonly view: PlanView }, CommandError>> {
  const { result } = await context.registry.transact<
    Result<{ readonly plan: Plan; readonly view: PlanView }, CommandError>
  >((tx) => {
    const open = openFor(context, tx, input.plan);
    if (!open.ok) return open;
    const view = viewOf(context, open.value.plan, open.value.manifest);
    const plan: Plan = {
      ...open.value.plan,
      state: "rejected",
      decision: {
        at: context.now(),
        by: input.by,
        automatic: false,
        acknowledged: false,
        view,
        ...(input.note === undefined ? {} : { note: input.note }),
      },
    };
    tx.put(context.tables.plans, plan.id, plan);
    audit(context, tx, "plan.reject", input.by, plan);
    return ok({ plan, view });
  });
  return result;
}

/** The plan with what it would do now, or what was decided on. */
export function describePlan(
  context: ControlContext,
  id: string,
): Result<{ readonly plan: Plan; readonly view: PlanView }, CommandError> {
  const entry = context.tables.plans.get(id);
  if (!entry) return err(notFound("plan", id));
  const plan = { ...entry.value, state: currentState(context, entry.value) };
  if (plan.decision) return ok({ plan, view: plan.decision.view });
  const manifest = context.catalog.manifest(plan.digest);
  if (!manifest) return err(notFound("contract", plan.digest));
  return ok({ plan, view: viewOf(context, plan, manifest) });
}

/** Expiry happens with time, not when somebody writes it down. */
export function currentState(context: ControlContext, plan: Plan): PlanState {
  if (plan.state !== "pending") return plan.state;
  if (context.now() >= plan.expiresAt) return "expired";
  return context.tables.authorities.get(plan.deployment)?.value.version === plan.baseVersion ? "pending" : "superseded";
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
        audit(context, tx, `plan.${state}`, SYSTEM, plan);
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

function viewOf(context: ControlContext, plan: Plan, candidate: Manifest): PlanView {
  const { tables, catalog } = context;
  const lineage = tables.deployments.get(plan.deployment)?.value.lineage;
  const desired = tables.authorities.get(plan.deployment)?.value.desired;
  const current = desired && catalog.manifest(desired.digest);
  return planAuthority({
    deployment: plan.deployment,
    ...(lineage === undefined ? {} : { lineage }),
    ...(current ? { current } : {}),
    candidate,
    world: catalog,
    live: liveUses(context, plan.deployment),
  });
}

function liveUses(context: ControlContext, deployment: string): readonly LiveUse[] {
  const uses: LiveUse[] = [];
  for (const participant of context.liveness.participants()) {
    if (participant.deployment === deployment) continue;
    const manifest = context.catalog.manifest(participant.contractDigest);
    if (manifest) uses.push({ name: participant.name, manifest });
  }
  return uses;
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

function openFor(
  context: ControlContext,
  tx: Transaction,
  id: string,
): Result<
  { readonly plan: Plan; readonly deployment: Deployment; readonly authority: Authority; readonly manifest: Manifest },
  CommandError
> {
  const { tables } = context;
  const plan = tx.get(tables.plans, id);
  if (!plan) return err(notFound("plan", id));
  const state = currentState(context, plan);
  const again = `Propose the contract again: trellis svc ${plan.deployment} plan`;
  if (state === "expired")
    return err(refused("plan_expired", "The plan has expired: what it was compared with may have changed.", again));
  if (state === "superseded")
    return err(
      refused(
        "plan_superseded",
        `Another contract was accepted for ${plan.deployment} since this plan was made.`,
        again,
      ),
    );
  if (state !== "pending") {
    return err(
      refused(
        "plan_decided",
        `The plan was ${state}${plan.decision ? ` by ${plan.decision.by.name}` : ""} already.`,
        "Nothing is left to decide.",
      ),
    );
  }
  const deployment = tx.get(tables.deployments, plan.deployment);
  const authority = tx.get(tables.authorities, plan.deployment);
  const manifest = tx.get(tables.contracts, plan.digest)?.manifest;
  if (!deployment || !authority) return err(notFound("deployment", plan.deployment));
  if (!manifest) return err(notFound("contract", plan.digest));
  return ok({ plan, deployment, authority, manifest });
}

function accept(
  context: ControlContext,
  tx: Transaction,
  input: {
    readonly deployment: Deployment;
    readonly authority: Authority;
    readonly plan: Plan;
    readonly view: PlanView;
    readonly by: Actor;
    readonly automatic: boolean;
    readonly acknowledged: boolean;
    readonly note?: string;
  },
): Plan {
  const { tables, limits } = context;
  const { deployment, authority, plan, view, by, automatic: byRule, acknowledged, note } = input;
  const at = context.now();
  const version = authority.version + 1;
  const desired: AcceptedContract = {
    version,
    contractId: plan.contractId,
    digest: plan.digest,
    kind: view.kind,
    planId: plan.id,
    at,
    by,
    automatic: byRule,
  };
  const known = tx.get(tables.contracts, plan.digest);
  const manifest = known?.manifest;
  if (known && !known.kept) tx.put(tables.contracts, plan.digest, { ...known, kept: true });
  const stillFit = authority.accepted.filter((digest) => {
    const older = tx.get(tables.contracts, digest)?.manifest;
    return (
      digest !== plan.digest &&
      older &&
      manifest &&
      older.id === manifest.id &&
      compareManifests(older, manifest).verdict !== "breaking"
    );
  });
  tx.put(tables.authorities, deployment.name, {
    ...authority,
    version,
    desired,
    accepted: [plan.digest, ...stillFit].slice(0, limits.acceptedDigests),
    reconcile: { state: "pending", attempts: 0, updatedAt: at, problems: [] },
    history: [desired, ...authority.history].slice(0, limits.keptPlans),
  });
  const lineage = contractName(plan.contractId);
  if (deployment.lineage !== lineage) tx.put(tables.deployments, deployment.name, { ...deployment, lineage });
  const decided: Plan = {
    ...plan,
    kind: view.kind,
    state: "accepted",
    decision: { at, by, automatic: byRule, acknowledged, view, ...(note === undefined ? {} : { note }) },
  };
  tx.put(tables.plans, plan.id, decided);
  supersede(
    context,
    tx,
    tx
      .by(tables.plans, "deployment", deployment.name)
      .filter(({ id, value }) => id !== plan.id && value.state === "pending"),
  );
  audit(context, tx, "plan.accept", by, decided);
  return decided;
}

function supersede(context: ControlContext, tx: Transaction, plans: readonly Entry<Plan>[]): void {
  for (const { id, value } of plans) {
    const state = currentState(context, value) === "expired" ? "expired" : "superseded";
    tx.put<Plan>(context.tables.plans, id, { ...value, state });
  }
}

function forgetOld(context: ControlContext, tx: Transaction, plans: readonly Entry<Plan>[]): void {
  const decided = plans.filter(({ value }) => value.state !== "pending").sort(oldestFirst);
  for (const { id } of decided.slice(0, Math.max(0, decided.length - context.limits.keptPlans)))
    tx.delete(context.tables.plans, id);
}

// Ids are ULIDs: they sort by time, also within a millisecond.
function oldestFirst(a: Entry<Plan>, b: Entry<Plan>): number {
  return a.id < b.id ? -1 : 1;
}

function audit(context: ControlContext, tx: Transaction, action: string, actor: Actor, plan: Plan): void {
  recordAudit(tx, context.tables.outbox, {
    now: context.now(),
    actor,
    action,
    target: plan.deployment,
    detail: {
      plan: plan.id,
      contract: plan.contractId,
      digest: plan.digest,
      kind: plan.kind,
      automatic: plan.decision?.automatic ?? false,
    },
  });
}
