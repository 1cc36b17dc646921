import { Argument } from "commander";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { deploymentName } from "../deployment-name.ts";
import { EXIT } from "../exit-codes.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { allDeployments, allInstances, allPlans } from "../platform-client/whole-lists.ts";
import { publicKey } from "../public-key.ts";
import { printTable } from "../table.ts";
import { registerInstances, switchInstance } from "./instances.ts";
import { printPlan } from "./plan-text.ts";
import { requireDeployment } from "./require-deployment.ts";
import { registerResources } from "./resources.ts";
import { printDeployment } from "./deployment-text.ts";

/** `trellis svc …`: the services somebody runs, what they may do, and the decisions about it. */
export const registerService: RegisterCommand = (svc, context) => {
  registerDeployments(svc, context);
  registerPlans(svc, context);
  registerInstances(svc, context);
  registerResources(svc, context);
};

function registerDeployments(svc: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  svc
    .command("create")
    .description("make room for a service under a name")
    .argument("<name>", "lower-case letters, digits and dashes", deploymentName)
    .option("--mutable-dev", "accept every contract it presents, recorded; for development")
    .example("trellis svc create orders")
    .action((name: string, options: { mutableDev?: true }) =>
      withOperator(context, async (operator) => {
        const mode = options.mutableDev ? ("mutable-dev" as const) : ("strict" as const);
        const deployment = await answerOf(operator.rpc.auth.deploymentsCreate({ name, mode }));
        terminal.answer(deployment, () => {
          terminal.print(`created ${deployment.name} (${deployment.mode})`);
          terminal.print(`next: trellis svc provision ${deployment.name}`);
        });
      }),
    );

  svc
    .command("list")
    .description("every service, its contract, replicas and state")
    .example("trellis svc list --json")
    .action(() =>
      withOperator(context, async (operator) => {
        const deployments = await allDeployments(operator);
        terminal.answer(deployments, () =>
          printTable(
            terminal,
            ["NAME", "CONTRACT", "MODE", "STATE", "REPLICAS", "WAITING"],
            deployments.map((each) => [
              each.name,
              each.contractId ?? "-",
              each.mode,
              each.enabled ? each.reconcile.state : "disabled",
              String(each.liveReplicas),
              [...each.waitingFor, ...each.pendingPlans.map((id) => `plan ${id}`)].join(", ") || "-",
            ]),
            "No services yet. Start one with: trellis init orders && cd orders && node main.ts",
          ),
        );
      }),
    );

  svc
    .command("show")
    .description("one service: what it runs, what is wrong, the plans that wait for a decision")
    .argument("<name>")
    .example("trellis svc show orders")
    .action((name: string) =>
      withOperator(context, async (operator) => {
        const deployment = await answerOf(operator.rpc.auth.deploymentsGet({ deployment: name }));
        const instances = await allInstances(operator, name);
        const plans =
          deployment.pendingPlans.length === 0 ? [] : await allPlans(operator, { deployment: name, status: "pending" });
        terminal.answer({ ...deployment, instanceList: instances, planList: plans }, () => {
          printDeployment(terminal, deployment, instances);
          for (const plan of plans) {
            terminal.print("");
            printPlan(terminal, plan);
          }
        });
        if (deployment.reconcile.state === "failing") context.setExitCode(EXIT.no);
      }),
    );

  for (const [verb, enabled] of [
    ["enable", true],
    ["disable", false],
  ] as const) {
    svc
      .command(verb)
      .description(enabled ? "let a service connect again" : "end a service's connections and let none in")
      .argument("<name>")
      .option("--instance <key>", "only this key of it, from svc instances", publicKey)
      .example(`trellis svc ${verb} orders`)
      .action((name: string, { instance: sessionKey }: { instance?: string }) =>
        withOperator(context, async (operator) => {
          if (sessionKey !== undefined) {
            const instance = await switchInstance(operator, name, { sessionKey, enabled });
            terminal.answer(instance, () => terminal.print(`the key ${sessionKey} of ${name} is ${verb}d`));
            return;
          }
          const deployment = await answerOf(operator.rpc.auth.deploymentsUpdate({ deployment: name, enabled }));
          terminal.answer(deployment, () =>
            terminal.print(`${deployment.name} is ${enabled ? "enabled" : "disabled"}`),
          );
        }),
      );
  }

  svc
    .command("mode")
    .description("strict: a person accepts every change; mutable-dev: changes are accepted and recorded")
    .argument("<name>")
    .addArgument(new Argument("<mode>").choices(["strict", "mutable-dev"]))
    .example("trellis svc mode orders strict")
    .action((name: string, mode: "strict" | "mutable-dev") =>
      withOperator(context, async (operator) => {
        const deployment = await answerOf(operator.rpc.auth.deploymentsUpdate({ deployment: name, mode }));
        terminal.answer(deployment, () => terminal.print(`${deployment.name} is ${deployment.mode}`));
      }),
    );

  svc
    .command("remove")
    .description("remove a service, its keys and its authority; stored data stays")
    .argument("<name>")
    .example("trellis svc remove orders")
    .action((name: string) =>
      withOperator(context, async (operator) => {
        await answerOf(operator.rpc.auth.deploymentsRemove({ deployment: name }));
        terminal.answer({ removed: name }, () =>
          terminal.print(`removed ${name}; what it stored is still there: trellis svc resources ${name}`),
        );
      }),
    );

  svc
    .command("reconcile")
    .description("compare what a service should have with what is there, now")
    .argument("<name>")
    .example("trellis svc reconcile orders")
    .action((name: string) =>
      withOperator(context, async (operator) => {
        const deployment = await answerOf(operator.rpc.auth.authorityReconcile({ deployment: name }));
        terminal.answer(deployment, () => printDeployment(terminal, deployment, []));
      }),
    );
}

function registerPlans(svc: CliCommand, context: CommandContext): void {
  const { terminal, cwd } = context;

  svc
    .command("plan")
    .description("what would change if this contract were accepted")
    .argument("<name>", "the service")
    .option("--source <path>", "manifest, module or folder with the contract", ".")
    .example("trellis svc plan orders --source ./orders")
    .action(async (name: string, options: { source: string }) => {
      const { readContract } = await import("../contract/read-contract.ts");
      const { manifest } = await readContract(options.source, cwd);
      await withOperator(context, async (operator) => {
        const { plan, identical } = await answerOf(operator.rpc.auth.authorityPlan({ deployment: name, manifest }));
        terminal.answer({ identical, plan }, () => {
          if (plan === undefined) terminal.print(`${name} already runs exactly this contract; nothing to decide`);
          else printPlan(terminal, plan);
        });
      });
    });

  svc
    .command("plans")
    .description("plans waiting for a decision, or all of them")
    .argument("[name]", "only of this service")
    .option("--all", "decided and expired ones too")
    .example("trellis svc plans --all")
    .action((name: string | undefined, options: { all?: true }) =>
      withOperator(context, async (operator) => {
        const plans = await allPlans(operator, {
          ...(name === undefined ? {} : { deployment: name }),
          ...(options.all ? {} : { status: "pending" }),
        });
        if (plans.length === 0) await requireDeployment(operator, name);
        terminal.answer(plans, () =>
          printTable(
            terminal,
            ["PLAN", "SERVICE", "CONTRACT", "KIND", "STATUS", "CREATED"],
            plans.map((plan) => [
              plan.id,
              plan.deployment,
              plan.contractId,
              plan.classification,
              plan.status,
              plan.createdAt,
            ]),
            "Nothing is waiting for a decision.",
          ),
        );
      }),
    );

  svc
    .command("accept")
    .description("let a plan happen")
    .argument("<plan>", "its id, from svc plan or svc plans")
    .option("--acknowledge", "I know that this migration breaks somebody")
    .example("trellis svc accept 01JD9Z8W7K6X5V4T3S2R1Q0P9N")
    .action((id: string, options: { acknowledge?: true }) =>
      withOperator(context, async (operator) => {
        const plan = await answerOf(
          operator.rpc.auth.authorityAccept({ plan: id, acknowledge: options.acknowledge === true }),
        );
        terminal.answer(plan, () =>
          terminal.print(`accepted: ${plan.deployment} may now run ${plan.contractId} ${plan.toDigest}`),
        );
      }),
    );

  svc
    .command("reject")
    .description("refuse a plan; the service keeps what it had")
    .argument("<plan>", "its id")
    .example("trellis svc reject 01JD9Z8W7K6X5V4T3S2R1Q0P9N")
    .action((id: string) =>
      withOperator(context, async (operator) => {
        const plan = await answerOf(operator.rpc.auth.authorityReject({ plan: id }));
        terminal.answer(plan, () => terminal.print(`rejected: ${plan.deployment} keeps what it had`));
      }),
    );
}
