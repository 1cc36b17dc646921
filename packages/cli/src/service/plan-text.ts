import type { PlanRecord } from "../platform-client/records.ts";
import type { Terminal } from "../terminal.ts";

/** A plan the way an operator reads it: what changes, what it allows, who it breaks, what to type next. */
export function printPlan(terminal: Terminal, plan: PlanRecord): void {
  const { colors } = terminal;
  const from = plan.fromDigest === undefined ? "new" : `${plan.fromDigest.slice(0, 8)}… →`;
  const kind =
    plan.classification === "migration" ? colors.red("migration (breaks somebody)") : colors.green("update (safe)");
  terminal.print(`${colors.bold(plan.contractId)}  ${from} ${plan.toDigest.slice(0, 8)}…  ${kind}  ${plan.status}`);
  for (const change of plan.changes) {
    const paint = change.sign === "+" ? colors.green : change.sign === "-" ? colors.red : colors.yellow;
    const mark = change.breaking ? colors.red("  breaking") : "";
    terminal.print(
      `  ${paint(change.sign)} ${change.surface.padEnd(9)} ${change.name.padEnd(24)} ${change.message}${mark}`,
    );
  }
  if (plan.permissions.length > 0) {
    terminal.print("  NATS:");
    for (const permission of plan.permissions) terminal.print(`    ${permission}`);
  }
  for (const { who, message } of plan.breaks) terminal.print(colors.red(`  breaks ${who}: ${message}`));
  for (const id of plan.inactive)
    terminal.print(colors.yellow(`  ${id} is required and known, but nobody implements it now`));
  for (const id of plan.blockedBy) {
    terminal.print(colors.red(`  blocked by ${id}: it is required and no compatible contract of it is known here`));
  }
  if (plan.status !== "pending") return;
  if (plan.blockedBy.length > 0) {
    terminal.print(`Nothing to decide yet: start what is missing and it goes on by itself.`);
    return;
  }
  const acknowledge = plan.classification === "migration" ? " --acknowledge" : "";
  terminal.print(`Accept? trellis svc accept ${plan.id}${acknowledge}   (expires ${plan.expiresAt})`);
}
