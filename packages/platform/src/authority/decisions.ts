import { compareManifests, contractName, type Manifest } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Transaction } from "../registry/registry.ts";
import type { AcceptedContract, Actor, Authority, Deployment, Plan } from "../tables.ts";
import type { ControlContext } from "./context.ts";
import { auditPlan, currentState, supersede, viewOf } from "./plan-records.ts";
import { isAcceptable, type PlanView } from "./plan-view.ts";

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
    auditPlan(context, tx, "plan.reject", input.by, plan);
    return ok({ plan, view });
  });
  return result;
}

/** Makes a plan what the deployment is meant to be; reconciliation makes it so. */
export function accept(
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
  auditPlan(context, tx, "plan.accept", by, decided);
  return decided;
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
