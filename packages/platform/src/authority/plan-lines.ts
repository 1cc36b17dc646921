import type { PermissionChange, PlanView } from "./plan-view.ts";

/** One line of a plan for people: `+ rpc Orders.Cancel  to call needs orders::write`. */
export interface PlanLine {
  readonly sign: "+" | "-" | "~";
  readonly surface: string;
  readonly name: string;
  readonly message: string;
  readonly breaking: boolean;
}

const SIGNS = { add: "+", remove: "-", release: "-", change: "~" } as const;

/** Every line of a plan except the NATS permissions, most important first. */
export function planChanges(view: PlanView): readonly PlanLine[] {
  return [
    ...view.blockers.map((blocker): PlanLine => ({
      sign: "~",
      surface: "blocked",
      name: blocker.contractId ?? view.contractId,
      message: blocker.message,
      breaking: false,
    })),
    ...view.surfaces.map((change): PlanLine => ({
      sign: SIGNS[change.action],
      surface: change.kind,
      name: change.name,
      message: change.detail,
      breaking: change.breaking,
    })),
    ...view.resources.map((change): PlanLine => ({
      sign: SIGNS[change.action],
      surface: change.kind,
      name: change.physical,
      message: change.detail,
      breaking: false,
    })),
    ...view.requirements
      .filter((one) => one.state !== "active")
      .map((one): PlanLine => ({
        sign: "~",
        surface: one.required ? "requires" : "optional",
        name: one.contractId,
        message: one.detail,
        breaking: false,
      })),
    ...view.capabilities.added.map((name): PlanLine => ({
      sign: "+",
      surface: "capability",
      name,
      message: "held by the deployment",
      breaking: false,
    })),
    ...view.capabilities.removed.map((name): PlanLine => ({
      sign: "-",
      surface: "capability",
      name,
      message: "no longer held",
      breaking: false,
    })),
  ];
}

/** `+ subscribe rpc.v1.Orders.Get (queue orders@v1)` */
export function permissionLine(change: PermissionChange): string {
  return `${SIGNS[change.action]} ${change.direction} ${change.subject}${change.queue === undefined ? "" : ` (queue ${change.queue})`}`;
}
