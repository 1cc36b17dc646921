import type { Catalog } from "./catalog.ts";
import type { Liveness } from "./liveness.ts";
import { surfaceActions, type UsableKind } from "./surface-actions.ts";

/** A question about one surface. */
export interface SurfaceQuestion {
  readonly contractId: string;
  readonly kind: UsableKind;
  readonly surface: string;
  readonly action?: string;
}

/** Whether a surface could be used now. Advisory: the answer may be old by the time it is read. */
export interface SurfaceAnswer {
  readonly status: "unknown_contract" | "unknown_surface" | "unauthorized" | "unavailable" | "available";
  readonly message: string;
}

/** Looks at the contract first, then at the surface, then at what the caller holds, then at who is there. */
export function surfaceStatus(
  catalog: Catalog,
  liveness: Liveness,
  question: SurfaceQuestion,
  capabilities: ReadonlySet<string>,
): SurfaceAnswer {
  const { contractId, kind, surface } = question;
  const active = catalog.active(contractId);
  const manifest = active?.manifest ?? catalog.known(contractId)[0];
  if (!manifest)
    return {
      status: "unknown_contract",
      message: `Nobody has presented ${contractId} here. trellis status lists what is known.`,
    };
  const actions = surfaceActions(manifest, kind, surface);
  if (!actions)
    return {
      status: "unknown_surface",
      message: `${contractId} has no ${kind} ${surface}. See trellis contract docs.`,
    };
  const action = question.action ?? DEFAULT_ACTION[kind];
  const needs = actions[action];
  if (!needs)
    return {
      status: "unknown_surface",
      message: `${kind} ${surface} has no action ${action}; it has ${Object.keys(actions).join(", ")}.`,
    };
  const lacking = needs.filter((capability) => !capabilities.has(capability));
  if (lacking.length > 0)
    return {
      status: "unauthorized",
      message: `To ${action} ${surface} needs ${lacking.join(", ")}. Ask an administrator for a group that holds it.`,
    };
  if (!active)
    return {
      status: "unavailable",
      message: `${contractId} is known but no deployment of it is accepted and ready. See trellis svc list.`,
    };
  // Events are stored: they can be published and read while nobody else is there.
  if (active.builtin || kind === "event") return { status: "available", message: `${surface} is available.` };
  const live = active.deployments.reduce((sum, deployment) => sum + liveness.replicas(deployment), 0);
  if (live === 0)
    return {
      status: "unavailable",
      message: `No replica of ${active.deployments.join(", ")} is connected. Start one.`,
    };
  return { status: "available", message: `${surface} is served by ${live} replica${live === 1 ? "" : "s"}.` };
}

const DEFAULT_ACTION = { rpc: "call", operation: "call", event: "subscribe", feed: "subscribe" } as const;
