import { openAsBlob } from "node:fs";
import { resolve } from "node:path";
import type { AnyContract, Json } from "@trellis/contracts";
import type { TrellisClient } from "@trellis/client/node";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { deploymentName } from "../deployment-name.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { readInput } from "../read-input.ts";
import { wholeNumber } from "../whole-number.ts";
import { followOperation } from "./follow-operation.ts";
import { progressBar } from "./progress-bar.ts";

interface StartCommandOptions {
  readonly contract?: string;
  readonly key?: string;
  readonly service?: string;
  readonly deadline?: number;
  readonly upload?: string;
  readonly detach?: true;
}

const EXAMPLE = `trellis start Billing.Refund '{"order":"o_1"}'`;

/** `trellis start`: one operation as the signed-in person, followed to its end unless that is not wanted. */
export const registerStart: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<operation>", "logical name, such as Billing.Refund")
    .argument("[input]", "JSON; - reads it from standard input", "{}")
    .option("--contract <id>", "when several contracts have the name")
    .option("--key <key>", "one operation a key: started again with it, the one there is is followed")
    .option("--service <name>", "the deployment that is to run it, when several run this contract", deploymentName)
    .option("--deadline <ms>", "it fails when it is not over by then", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option("--upload <file>", "the file that goes with it")
    .option("--detach", "print its id and leave; it goes on")
    .example(EXAMPLE)
    .action(async (name: string, written: string, options: StartCommandOptions) => {
      const input = await readInput(context, written, EXAMPLE);
      const [{ findSurface }, { contractFor }, { withClient }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
      ]);
      const owner = await withOperator(context, (operator) =>
        findSurface(operator, "operations", name, options.contract),
      );
      requireFile(name, owner.operations?.[name]?.transfer !== undefined, options.upload);
      await withClient(context, contractFor("operations", owner, name), async (client) => {
        const started = await start(context, client, name, input, options);
        if (options.detach) {
          const { id, created, snapshot } = started;
          return terminal.answer({ id, operation: name, service: snapshot.service, created }, () => {
            terminal.print(id);
            terminal.note(`${name} ${created ? "is accepted" : "was accepted before"}: trellis watch ${name} ${id}`);
          });
        }
        await followOperation(context, started);
      });
    });
};

async function start(
  context: CommandContext,
  client: TrellisClient<AnyContract>,
  name: string,
  input: Json,
  { key, service, deadline, upload }: StartCommandOptions,
) {
  const operation = client.operation(name);
  const startOptions = {
    ...(key === undefined ? {} : { key }),
    ...(service === undefined ? {} : { service }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
  };
  if (upload === undefined) return answerOf(operation.start(input, startOptions));
  const file = await openFile(resolve(context.cwd, upload), upload);
  return context.terminal.during(`Sending ${upload}…`, async (say) => {
    const { transfer } = operation.input(input);
    // The manifest was looked at before; this is for the type.
    if (transfer === undefined) throw noUpload(name);
    const started = await answerOf(
      transfer(file, {
        signal: context.signal,
        onProgress: ({ bytes }) => say(`${progressBar(bytes, file.size)} ${upload}`),
      }).start(startOptions),
    );
    await answerOf(started.uploaded);
    return started;
  });
}

/** A file goes with an operation exactly when its contract says so. */
function requireFile(name: string, takesFile: boolean, upload: string | undefined): void {
  if (!takesFile && upload !== undefined) throw noUpload(name);
  if (takesFile && upload === undefined)
    throw new CliFailure({
      code: "no_upload",
      what: `${name} needs a file`,
      next: [`trellis start ${name} … --upload <file>`],
      exitCode: EXIT.usage,
    });
}

function noUpload(name: string): CliFailure {
  return new CliFailure({
    code: "no_upload",
    what: `${name} takes no file`,
    next: ["start it without --upload"],
    exitCode: EXIT.usage,
  });
}

async function openFile(path: string, written: string): Promise<Blob> {
  try {
    return await openAsBlob(path);
  } catch {
    throw new CliFailure({
      code: "no_file",
      what: `there is no file at ${written} that can be read`,
      next: ["name the file to send"],
      exitCode: EXIT.usage,
    });
  }
}
