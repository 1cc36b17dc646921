import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import type { Finding } from "./finding.ts";
import { checkFiles, checkNatsServer, checkNode } from "./machine-checks.ts";
import { checkPlatform } from "./platform-checks.ts";

/** Runs every check, whatever the others find; exit code 1 when something is wrong. */
export async function runDoctor(context: CommandContext): Promise<void> {
  const { terminal } = context;
  const findings = await terminal.during("Looking…", async () => [
    checkNode(),
    await checkNatsServer(context),
    ...checkFiles(context),
    ...(await checkPlatform(context)),
  ]);
  const healthy = findings.every(({ state }) => state !== "problem");
  terminal.answer({ healthy, checks: findings }, () => {
    for (const finding of findings) printFinding(context, finding);
    terminal.print(healthy ? "Nothing is wrong." : "Something is wrong; see above.");
  });
  if (!healthy) context.setExitCode(EXIT.no);
}

function printFinding({ terminal }: CommandContext, { name, state, detail, next }: Finding): void {
  const { colors } = terminal;
  const mark = { ok: colors.green("ok     "), problem: colors.red("problem"), skipped: colors.dim("skipped") }[state];
  terminal.print(`${mark}  ${name.padEnd(14)} ${detail}`);
  if (next !== undefined) terminal.print(`         ${"".padEnd(14)} ${colors.bold("next:")} ${next}`);
}
