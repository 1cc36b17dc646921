import type { Manifest } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { recordAudit } from "../audit/audit.ts";
import { type CommandError, notFound } from "../command-error.ts";
import type { Entry, Transaction } from "../registry/registry.ts";
import type { Actor, Plan, PlanState } from "../tables.ts";
import type { ControlContext } from "./context.ts";
import { type LiveUse, planAuthority } from "./plan-authority.ts";
import type { PlanView } from "./plan-view.ts";

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

/** What the plan would do in the world as it is. */
export function viewOf(context: ControlContext, plan: Plan, candidate: Manifest): PlanView {
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

/** Closes open plans that another decision has overtaken. */
export function supersede(context: ControlContext, tx: Transaction, plans: readonly Entry<Plan>[]): void {
  for (const { id, value } of plans) {
    const state = currentState(context, value) === "expired" ? "expired" : "superseded";
    tx.put<Plan>(context.tables.plans, id, { ...value, state });
  }
}

/** Ids are ULIDs: they sort by time, also within a millisecond. */
export function oldestFirst(a: Entry<Plan>, b: Entry<Plan>): number {
  return a.id < b.id ? -1 : 1;
}

/** Puts what happened to a plan on record. */
export function auditPlan(context: ControlContext, tx: Transaction, action: string, actor: Actor, plan: Plan): void {
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
