import type { DeploymentRecord, InstanceRecord } from "../platform-client/records.ts";
import type { Terminal } from "../terminal.ts";

/** One service for a person: what it runs, what it waits for, what to do about it. */
export function printDeployment(
  terminal: Terminal,
  deployment: DeploymentRecord,
  instances: readonly InstanceRecord[],
): void {
  const { colors } = terminal;
  const { reconcile } = deployment;
  const state = !deployment.enabled
    ? colors.yellow("disabled")
    : reconcile.state === "failing"
      ? colors.red("failing")
      : reconcile.state === "none"
        ? "waiting for its first contract"
        : reconcile.state;
  terminal.print(`${colors.bold(deployment.name)}  ${deployment.mode}  ${state}`);
  terminal.print(`  contract   ${deployment.contractId ?? "none accepted yet"}`);
  if (deployment.desiredDigest !== undefined)
    terminal.print(`  accepted   ${deployment.desiredDigest} (version ${deployment.version})`);
  if (deployment.materializedDigest !== undefined && deployment.materializedDigest !== deployment.desiredDigest) {
    terminal.print(`  in force   ${deployment.materializedDigest}`);
  }
  if (reconcile.message !== undefined) terminal.print(`  ${colors.red("problem")}    ${reconcile.message}`);
  for (const what of deployment.waitingFor) terminal.print(`  ${colors.yellow("waits for")}  ${what}`);
  for (const plan of deployment.pendingPlans) terminal.print(`  ${colors.yellow("decide")}     plan ${plan}, below`);
  terminal.print(`  replicas   ${deployment.liveReplicas} live of ${deployment.instances} provisioned`);
  for (const instance of instances) {
    const liveness = !instance.enabled ? "disabled" : instance.live ? colors.green("live") : "not connected";
    terminal.print(`    ${instance.name.padEnd(16)} ${instance.sessionKey}  ${liveness}`);
  }
  if (deployment.instances === 0) terminal.print(`  next: trellis svc provision ${deployment.name}`);
}
