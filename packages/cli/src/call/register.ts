import { TrellisClient } from "@trellis/client/node";
import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { contractForCall, findRpc } from "./find-surface.ts";

/** `trellis call`: one RPC as the signed-in person, through a contract that names just that RPC. */
export const registerCall: RegisterCommand = (program, context) => {
  const { terminal } = context;
  program
    .command("call")
    .description("call an RPC and print its answer as JSON")
    .argument("<rpc>", "logical name, such as Orders.Get")
    .argument("[input]", "JSON; - reads it from standard input", "{}")
    .option("--contract <id>", "when several contracts have the name")
    .option("--timeout <ms>", "how long to wait for the answer", "5000")
    .addHelpText("after", `\nExample:\n  trellis call Orders.Get '{"id":"o_1"}'`)
    .action(async (name: string, written: string, options: { contract?: string; timeout: string }) => {
      const input = readInput(written === "-" ? await readAll(process.stdin) : written);
      const timeoutMs = readTimeout(options.timeout);
      const owner = await withOperator(context, (operator) => findRpc(operator, name, options.contract));
      await using client = await TrellisClient.connect({
        contract: contractForCall(owner, name),
        cwd: context.cwd,
        env: context.env,
        signal: context.signal,
      });
      const answer = await answerOf(client.request(name, input, { timeoutMs, signal: context.signal }));
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

function readTimeout(written: string): number {
  const timeoutMs = Number(written);
  if (Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= 300_000) return timeoutMs;
  throw new CliFailure({
    code: "invalid_timeout",
    what: `--timeout ${written} is not a number of milliseconds from 1 to 300000`,
    next: ["leave it out for five seconds"],
    exitCode: EXIT.usage,
  });
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
