import { Option } from "commander";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { type Operator, withOperator } from "../platform-client/connect-operator.ts";
import type { InstanceRecord } from "../platform-client/records.ts";
import { allInstances } from "../platform-client/whole-lists.ts";
import { publicKey } from "../public-key.ts";
import { requireDeployment } from "./require-deployment.ts";
import { printTable } from "../table.ts";

/** Keys that replicas of a service run with. */
export function registerInstances(svc: CliCommand, context: CommandContext): void {
  const { terminal, cwd } = context;

  svc
    .command("provision")
    .description("give a service a key to run with; the private half never leaves this machine")
    .argument("<name>", "the service")
    .addOption(
      new Option("--key <public>", "register this public key instead of making one")
        .argParser(publicKey)
        .conflicts("out"),
    )
    .option("--out <file>", "where the new private key goes (default: <name>.seed)")
    .option("--label <text>", "what people call this replica")
    .example("trellis svc provision orders --out orders.seed")
    .action((name: string, options: { key?: string; out?: string; label?: string }) =>
      withOperator(context, async (operator) => {
        const { newKeyFile, saveKeyFile } = await import("../keys/key-file.ts");
        const made = options.key === undefined ? newKeyFile(options.out ?? `${name}.seed`, cwd) : undefined;
        const sessionKey = made?.publicKey ?? options.key ?? "";
        const instance = await answerOf(
          operator.rpc.auth.instancesProvision({
            deployment: name,
            sessionKey,
            ...(options.label === undefined ? {} : { name: options.label }),
          }),
        );
        // Written last: a refused key leaves no file behind.
        if (made) saveKeyFile(made);
        terminal.answer({ ...instance, ...(made ? { keyFile: made.file } : {}) }, () => {
          terminal.print(`${name} may run with key ${instance.sessionKey}`);
          if (made) terminal.print(`next: TRELLIS_SEED_FILE=${made.file} TRELLIS_URL=<this platform> node main.ts`);
        });
      }),
    );

  svc
    .command("instances")
    .description("the keys of a service and which of them are connected")
    .argument("[name]", "only of this service")
    .example("trellis svc instances orders")
    .action((name: string | undefined) =>
      withOperator(context, async (operator) => {
        const instances = await allInstances(operator, name);
        if (instances.length === 0) await requireDeployment(operator, name);
        terminal.answer(instances, () =>
          printTable(
            terminal,
            ["SERVICE", "NAME", "KEY", "STATE", "CREATED"],
            instances.map((each) => [
              each.deployment,
              each.name,
              each.sessionKey,
              !each.enabled ? "disabled" : each.live ? "live" : "not connected",
              each.createdAt,
            ]),
            `No keys yet. Make one with: trellis svc provision ${name ?? "<name>"}`,
          ),
        );
      }),
    );

  svc
    .command("revoke-instance")
    .description("end one key for good and cut its connections")
    .argument("<key>", "its public key, from svc instances", publicKey)
    .example("trellis svc revoke-instance A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
    .action((sessionKey: string) =>
      withOperator(context, async (operator) => {
        await answerOf(operator.rpc.auth.instancesRemove({ sessionKey }));
        terminal.answer({ removed: sessionKey }, () => terminal.print(`the key ${sessionKey} is no longer accepted`));
      }),
    );
}

/** Lets one key of a service connect, or not. */
export async function switchInstance(
  operator: Operator,
  deployment: string,
  change: { readonly sessionKey: string; readonly enabled: boolean },
): Promise<InstanceRecord> {
  const instances = await allInstances(operator, deployment);
  if (!instances.some(({ sessionKey }) => sessionKey === change.sessionKey)) {
    throw new CliFailure({
      code: "not_found",
      what: `${deployment} has no key ${change.sessionKey}`,
      next: [`trellis svc instances ${deployment} lists them`],
      exitCode: EXIT.notFound,
    });
  }
  return answerOf(operator.rpc.auth.instancesUpdate(change));
}
