import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { askHttp, memberOf } from "../platform-client/ask-http.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { reachPlatform } from "../platform-client/reach-platform.ts";
import { allContracts, allDeployments } from "../platform-client/whole-lists.ts";
import { readChecks } from "./checks.ts";
import { printTable } from "../table.ts";

/** Where the platform is, whether it is ready, what runs on it. Exit code 1 while it is not ready. */
export async function showStatus(context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const { url } = await reachPlatform(context);
  const [version, readiness] = await Promise.all([askHttp(url, "/version", signal), askHttp(url, "/readyz", signal)]);
  const versionText = String((version.ok && memberOf(version.body, "version")) || "unknown");
  const ready = readiness.ok && readiness.status === 200;
  const checks = readiness.ok ? readChecks(readiness.body) : [];
  if (!ready) context.setExitCode(EXIT.no);
  // A platform that is not ready answers nobody: what is known is said.
  const known = ready ? await askServices(context) : { services: [], contracts: [] };
  terminal.answer({ url, version: versionText, ready, checks, ...known }, () => {
    const { colors } = terminal;
    const state = ready ? colors.green("ready") : colors.red("not ready");
    terminal.print(`${colors.bold(url)}  version ${versionText}  ${state}`);
    for (const check of checks.filter(({ ready: holds }) => !holds)) {
      terminal.print(`  ${colors.red(check.name)}  ${check.detail ?? "does not hold"}`);
    }
    for (const check of checks.filter(({ warning }) => warning)) {
      terminal.print(`  ${colors.yellow(check.name)}  ${check.detail ?? "needs a look"}`);
    }
    if (!ready) return;
    terminal.print("");
    printServices(context, known);
  });
}

type Known = Awaited<ReturnType<typeof askServices>>;

function askServices(context: CommandContext) {
  return withOperator(context, async (operator) => {
    const [services, contracts] = await Promise.all([allDeployments(operator), allContracts(operator)]);
    return { services, contracts };
  });
}

function printServices({ terminal }: CommandContext, { services, contracts }: Known): void {
  const { colors } = terminal;
  printTable(
    terminal,
    ["SERVICE", "CONTRACT", "STATE", "REPLICAS", "WAITING FOR"],
    services.map((each) => [
      each.name,
      each.contractId ?? "-",
      !each.enabled
        ? colors.yellow("disabled")
        : each.reconcile.state === "failing"
          ? colors.red("failing")
          : each.reconcile.state,
      `${each.liveReplicas} of ${each.instances}`,
      [...each.waitingFor, ...each.pendingPlans.map((plan) => `plan ${plan}`)].join(", ") || "-",
    ]),
    "No services yet. Begin one with: trellis init orders",
  );
  // One that is ready may lack something it can live without.
  for (const { name, reconcile } of services) {
    if (reconcile.message === undefined) continue;
    const color = reconcile.state === "failing" ? colors.red : colors.yellow;
    terminal.print(`${color(name)}  ${reconcile.message}`);
  }
  terminal.print("");
  printTable(
    terminal,
    ["CONTRACT", "WHAT", "LIVE", "BY"],
    contracts.map((each) => [
      each.id,
      each.displayName,
      each.active ? String(each.liveReplicas) : colors.dim("inactive"),
      each.deployments.join(", ") || "-",
    ]),
    "No contracts are known.",
  );
}
