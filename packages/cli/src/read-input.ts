import type { Json } from "@trellis/contracts";
import type { CommandContext } from "./command.ts";
import { EXIT } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";

/** The JSON of a command: as it was typed, or `-` for standard input. */
export async function readInput(context: CommandContext, written: string, example: string): Promise<Json> {
  const text = written === "-" ? await context.readStdin() : written;
  if (text.trim() === "") {
    throw new CliFailure({
      code: "input_not_json",
      what: written === "-" ? "nothing came from standard input" : "the input is empty",
      next: [`give it JSON: ${example}`],
      exitCode: EXIT.usage,
    });
  }
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch (error) {
    throw new CliFailure({
      code: "input_not_json",
      what: "the input is not JSON",
      why: [error instanceof Error ? error.message : String(error), `it reads: ${text.slice(0, 80)}`],
      next: [`quote it for your shell: ${example}`],
      exitCode: EXIT.usage,
    });
  }
}
