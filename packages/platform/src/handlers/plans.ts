import { parseManifest } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import { type auth, ManifestRefused } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { permissionLine, planChanges } from "../authority/plan-lines.ts";
import type { PlanView } from "../authority/plan-view.ts";
import { acceptPlan, rejectPlan } from "../authority/decisions.ts";
import { currentState, describePlan } from "../authority/plan-records.ts";
import { propose } from "../authority/proposals.ts";
import type { Plan } from "../tables.ts";
import { actorOf, declared, type HandlersOf, isoTime } from "./handler.ts";
import { page } from "./page.ts";

type Names =
  | "Auth.Authority.Plan"
  | "Auth.Authority.List"
  | "Auth.Authority.Get"
  | "Auth.Authority.Accept"
  | "Auth.Authority.Reject";

/** Plans: propose a contract, look at what it would change, decide. */
export function planHandlers(context: ControlContext): HandlersOf<typeof auth, Names> {
  return {
    "Auth.Authority.Plan": async ({ input, caller }) => {
      const parsed = parseManifest(input.manifest);
      if (!parsed.ok)
        return err(
          new ManifestRefused({ problems: parsed.error.problems.map(({ path, message }) => ({ path, message })) }),
        );
      const proposed = await propose(context, {
        deployment: input.deployment,
        manifest: parsed.value.manifest,
        by: actorOf(caller),
      });
      if (!proposed.ok) return err(declared(proposed.error));
      const { value } = proposed;
      if (value.outcome === "identical" || value.outcome === "rejected")
        return ok({ identical: value.outcome === "identical" });
      return ok({ plan: planWire(value.plan, value.view), identical: false });
    },
    "Auth.Authority.List": async ({ input }) => {
      const all =
        input.deployment === undefined
          ? context.tables.plans.all()
          : context.tables.plans.by("deployment", input.deployment);
      // Only the plans of the page are compared with the world; that is what costs.
      const states = [...all].filter(
        (entry) => input.status === undefined || describeState(context, entry.id) === input.status,
      );
      const { items, ...more } = page(states, (entry) => entry.id, input, "descending");
      const plans = items.flatMap((entry) => {
        const described = describePlan(context, entry.id);
        return described.ok ? [planWire(described.value.plan, described.value.view)] : [];
      });
      return ok({ plans, ...more });
    },
    "Auth.Authority.Get": async ({ input }) => {
      const described = describePlan(context, input.plan);
      return described.ok ? ok(planWire(described.value.plan, described.value.view)) : err(declared(described.error));
    },
    "Auth.Authority.Accept": async ({ input, caller }) => {
      const { plan, acknowledge } = input;
      const accepted = await acceptPlan(context, {
        plan,
        by: actorOf(caller),
        ...(acknowledge === undefined ? {} : { acknowledge }),
      });
      return accepted.ok ? ok(planWire(accepted.value.plan, accepted.value.view)) : err(declared(accepted.error));
    },
    "Auth.Authority.Reject": async ({ input, caller }) => {
      const rejected = await rejectPlan(context, { plan: input.plan, by: actorOf(caller) });
      return rejected.ok ? ok(planWire(rejected.value.plan, rejected.value.view)) : err(declared(rejected.error));
    },
  };
}

function describeState(context: ControlContext, id: string): string | undefined {
  const plan = context.tables.plans.get(id)?.value;
  return plan && currentState(context, plan);
}

/** A plan as it crosses the wire: what people read and programs parse is the same value. */
export function planWire(plan: Plan, view: PlanView) {
  return {
    id: plan.id,
    deployment: plan.deployment,
    contractId: plan.contractId,
    ...(view.from === undefined ? {} : { fromDigest: view.from }),
    toDigest: plan.digest,
    classification: view.kind,
    status: plan.state,
    changes: [...planChanges(view)],
    permissions: view.permissions.map(permissionLine),
    breaks: view.breaks.flatMap(({ who, surface, message }) =>
      who.length === 0
        ? [{ who: "nobody connected now", surface, message }]
        : who.map((name) => ({ who: name, surface, message })),
    ),
    inactive: view.requirements.filter((one) => one.required && one.state === "inactive").map((one) => one.contractId),
    blockedBy: [...new Set(view.blockers.flatMap((blocker) => blocker.contractId ?? []))],
    createdAt: isoTime(plan.createdAt),
    expiresAt: isoTime(plan.expiresAt),
    ...(plan.decision ? { decidedBy: plan.decision.by.name, decidedAt: isoTime(plan.decision.at) } : {}),
  };
}
