import type { Download } from "@trellis/client";
import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { readInput } from "../read-input.ts";
import { wholeNumber } from "../whole-number.ts";

const EXAMPLE = `trellis call Orders.Get '{"id":"o_1"}'`;

/** `trellis call`: one RPC as the signed-in person, through a contract that names just that RPC. */
export const registerCall: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<rpc>", "logical name, such as Orders.Get")
    .argument("[input]", "JSON; - reads it from standard input", "{}")
    .option("--contract <id>", "when several contracts have the name")
    .option("--output <file>", "where to save the file that the answer hands out")
    .option("--timeout <ms>", "how long to wait for the answer", wholeNumber(1, 300_000), 5_000)
    .example(EXAMPLE)
    .example(`trellis call Stock.Sheet --output today.csv`)
    .action(async (name: string, written: string, options: CallOptions) => {
      const input = await readInput(context, written, EXAMPLE);
      const [{ findSurface }, { contractFor }, { withClient }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
      ]);
      const owner = await withOperator(context, (operator) => findSurface(operator, "rpc", name, options.contract));
      const handsOut = owner.rpc?.[name]?.transfer !== undefined;
      if (!handsOut && options.output !== undefined) throw noFile(name);
      await withClient(context, contractFor("rpc", owner, name), async (client) => {
        const answer = await answerOf(
          client.request(name, input, { timeoutMs: options.timeout, signal: context.signal }),
        );
        if (!isDownload(answer)) return terminal.print(JSON.stringify(answer, null, terminal.json ? undefined : 2));
        const { saveDownload } = await import("./save-download.ts");
        await saveDownload(context, name, answer, options.output);
      });
    });
};

interface CallOptions {
  readonly contract?: string;
  readonly output?: string;
  readonly timeout: number;
}

/** Which RPC it is was typed and not compiled, so what it answers is looked at. */
function isDownload(answer: unknown): answer is Download<unknown> {
  return typeof answer === "object" && answer !== null && "read" in answer && typeof answer.read === "function";
}

function noFile(name: string): CliFailure {
  return new CliFailure({
    code: "no_file",
    what: `${name} hands out no file`,
    why: ["--output saves the file of an RPC whose contract says transfer"],
    next: [`trellis call ${name} prints its answer`],
    exitCode: EXIT.usage,
  });
}
