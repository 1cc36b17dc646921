import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { wholeNumber } from "../whole-number.ts";

/** `trellis call`: one RPC as the signed-in person, through a contract that names just that RPC. */
export const registerCall: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<rpc>", "logical name, such as Orders.Get")
    .argument("[input]", "JSON; - reads it from standard input", "{}")
    .option("--contract <id>", "when several contracts have the name")
    .option("--timeout <ms>", "how long to wait for the answer", wholeNumber(1, 300_000), 5_000)
    .example(`trellis call Orders.Get '{"id":"o_1"}'`)
    .action(async (name: string, written: string, options: { contract?: string; timeout: number }) => {
      const input = readInput(written === "-" ? await context.readStdin() : written);
      const [{ findSurface }, { contractFor }, { withClient }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
      ]);
      const owner = await withOperator(context, (operator) => findSurface(operator, "rpc", name, options.contract));
      const answer = await withClient(context, contractFor("rpc", owner, name), (client) =>
        answerOf(client.request(name, input, { timeoutMs: options.timeout, signal: context.signal })),
      );
      terminal.print(JSON.stringify(answer, null, terminal.json ? undefined : 2));
    });
};

function readInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliFailure({
      code: "input_not_json",
      what: "the input is not JSON",
      why: [error instanceof Error ? error.message : String(error), `it reads: ${text.slice(0, 80)}`],
      next: [`quote it for your shell: trellis call Orders.Get '{"id":"o_1"}'`],
      exitCode: EXIT.usage,
    });
  }
}
