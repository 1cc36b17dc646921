import { isName } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Transaction } from "../registry/registry.ts";
import type { Actor, Authority, Deployment, DeploymentMode } from "../tables.ts";

/** Makes a deployment: a name under which a service may later be accepted. */
export async function createDeployment(
  context: ControlContext,
  input: { readonly name: string; readonly mode: DeploymentMode; readonly by: Actor },
): Promise<Result<Deployment, CommandError>> {
  const { registry, tables } = context;
  const { name, mode, by } = input;
  if (!isName("deployment", name)) {
    return err(
      refused(
        "invalid_name",
        `${JSON.stringify(name)} cannot name a deployment: it becomes part of bucket names and subjects.`,
        "Use a lower-case letter, then at most 47 lower-case letters, digits or -.",
      ),
    );
  }
  const { result } = await registry.transact<Result<Deployment, CommandError>>((tx) => {
    if (tx.get(tables.deployments, name)) {
      return err(
        refused(
          "exists",
          `There is a deployment ${name} already.`,
          `Look at it with trellis svc show ${name}, or choose another name.`,
        ),
      );
    }
    const now = context.now();
    const deployment: Deployment = { name, mode, enabled: true, createdAt: now, createdBy: by };
    tx.put(tables.deployments, name, deployment);
    tx.put(tables.authorities, name, emptyAuthority(name, now));
    recordAudit(tx, tables.outbox, { now, actor: by, action: "deployment.create", target: name, detail: { mode } });
    return ok(deployment);
  });
  return result;
}

/** The authority of a deployment that nothing was accepted for. */
export function emptyAuthority(deployment: string, now: number): Authority {
  return {
    deployment,
    version: 0,
    accepted: [],
    reconcile: { state: "done", attempts: 0, updatedAt: now, problems: [] },
    history: [],
  };
}

/** Changes how contracts are accepted, or whether replicas may connect at all. */
export async function updateDeployment(
  context: ControlContext,
  input: { readonly name: string; readonly mode?: DeploymentMode; readonly enabled?: boolean; readonly by: Actor },
): Promise<Result<Deployment, CommandError>> {
  const { registry, tables } = context;
  const { result } = await registry.transact<Result<Deployment, CommandError>>((tx) => {
    const deployment = tx.get(tables.deployments, input.name);
    if (!deployment) return err(notFound("deployment", input.name));
    const next: Deployment = {
      ...deployment,
      mode: input.mode ?? deployment.mode,
      enabled: input.enabled ?? deployment.enabled,
    };
    if (next.mode === deployment.mode && next.enabled === deployment.enabled) return ok(deployment);
    tx.put(tables.deployments, input.name, next);
    recordAudit(tx, tables.outbox, {
      now: context.now(),
      actor: input.by,
      action: "deployment.update",
      target: input.name,
      detail: { mode: next.mode, enabled: next.enabled },
    });
    return ok(next);
  });
  return result;
}

/** Records one transaction removes: the registry takes a few more. */
const REMOVED_AT_ONCE = 400;

/**
 * Forgets a deployment, its keys and its authority. Its data stays on JetStream until somebody purges it. One with many
 * keys goes in several steps, disabled from the first one on: cut short, it is removed by saying it again.
 */
export async function removeDeployment(
  context: ControlContext,
  input: { readonly name: string; readonly by: Actor },
): Promise<Result<undefined, CommandError>> {
  for (;;) {
    const { result } = await context.registry.transact((tx) => removeSome(context, tx, input));
    if (!result.ok) return result;
    if (result.value === "removed") return ok();
  }
}

function removeSome(
  context: ControlContext,
  tx: Transaction,
  { name, by }: { readonly name: string; readonly by: Actor },
): Result<"removed" | "more", CommandError> {
  const { tables } = context;
  const deployment = tx.get(tables.deployments, name);
  if (!deployment) return err(notFound("deployment", name));
  if (deployment.enabled && context.liveness.replicas(name) > 0) {
    return err(refused("in_use", `${name} has connected replicas.`, `Disable it first: trellis svc disable ${name}`));
  }
  const instances = tx.by(tables.instances, "deployment", name);
  const plans = tx.by(tables.plans, "deployment", name);
  const isLast = instances.length + plans.length <= REMOVED_AT_ONCE;
  const going = isLast ? instances : instances.slice(0, REMOVED_AT_ONCE);
  for (const { id } of going) tx.delete(tables.instances, id);
  if (isLast) {
    for (const { id } of plans) tx.delete(tables.plans, id);
    tx.delete(tables.authorities, name);
    tx.delete(tables.deployments, name);
  } else if (deployment.enabled) tx.put(tables.deployments, name, { ...deployment, enabled: false });
  recordAudit(tx, tables.outbox, {
    now: context.now(),
    actor: by,
    action: isLast ? "deployment.remove" : "deployment.remove-keys",
    target: name,
    detail: { instances: going.map(({ id }) => id), lineage: deployment.lineage ?? null },
  });
  return ok(isLast ? "removed" : "more");
}
