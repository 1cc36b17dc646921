import { existsSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { contractDigest, contractName, type Manifest } from "@trellis/contracts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { printPlatform } from "../local/run-platform.ts";
import { type PlatformOptions, startPlatform } from "../local/start-platform.ts";
import { answerOf } from "../platform-client/answer.ts";
import { type Operator, withOperator } from "../platform-client/connect-operator.ts";
import { printPlan } from "../service/plan-text.ts";
import { untilAborted } from "../until-aborted.ts";
import { readAnew } from "./read-anew.ts";
import { ServiceProcess } from "./service-process.ts";
import { watchSources } from "./watch-sources.ts";

export interface DevOptions extends PlatformOptions {
  readonly main: string;
  readonly contract: string;
}

/** Runs a platform and a service; a change of any source starts the service again, a change of its contract is planned first. */
export async function runDev(context: CommandContext, options: DevOptions): Promise<void> {
  const { terminal, signal, cwd } = context;
  requireMain(context, options.main);
  requireAbove(cwd, options.dir);
  const here = withoutOtherPlatform(context);
  const began = performance.now();
  await using platform = await openPlatform(context, options);
  if (platform !== undefined) printPlatform(context, platform, performance.now() - began);
  await using service = new ServiceProcess({
    main: options.main,
    cwd,
    env: here.env,
    onEnd: (how) => terminal.note(`${options.main} ended ${how}; it starts again when a file changes.`),
  });

  let planned: string | undefined;
  const refresh = async (): Promise<void> => {
    const contract = await readAnew(options.contract, cwd);
    if (signal.aborted) return;
    if (!contract.ok) {
      terminal.note(contract.problem);
      return;
    }
    const digest = contractDigest(contract.manifest);
    if (digest !== planned) {
      // The platform's answer is for reading; whether the service may run with it is decided when it connects.
      await planContract(here, contract.manifest).catch((error: unknown) => report(context, error));
      planned = digest;
    }
    if (!signal.aborted) await service.restart();
  };

  let work = refresh();
  using _watching = watchSources(cwd, (file) => {
    terminal.note(`${file} changed.`);
    work = work.then(refresh).catch((error: unknown) => report(context, error));
  });
  await untilAborted(signal);
  terminal.note("\nStopping…");
  await work;
}

/** This folder's platform: the one that runs already, or one of our own. */
async function openPlatform(context: CommandContext, options: DevOptions) {
  try {
    return await startPlatform(context, options);
  } catch (error) {
    if (!(error instanceof CliFailure) || error.parts.code !== "already_running") throw error;
    context.terminal.note(`Using the platform that ${error.parts.what.replace("a platform ", "")}.`);
    return undefined;
  }
}

async function planContract(context: CommandContext, manifest: Manifest): Promise<void> {
  const { terminal } = context;
  const name = contractName(manifest.id);
  await withOperator(context, async (operator) => {
    await ensureDeployment(operator, name);
    const { plan } = await answerOf(operator.rpc.auth.authorityPlan({ deployment: name, manifest }));
    if (plan !== undefined) printPlan(terminal, plan);
  });
}

async function ensureDeployment(operator: Operator, name: string): Promise<void> {
  const known = await operator.rpc.auth.deploymentsGet({ deployment: name });
  if (!known.ok) await answerOf(operator.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" }));
}

function report({ terminal }: CommandContext, error: unknown): void {
  if (error instanceof CliFailure) terminal.failure(error);
  else terminal.note(error instanceof Error ? error.message : String(error));
}

/** Services look for their platform in the folder they run in and above it. */
function requireAbove(cwd: string, dir: string): void {
  const way = relative(resolve(cwd, dir), cwd);
  if (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return;
  throw new CliFailure({
    code: "usage",
    what: `the service would not find a platform that is kept in ${dir}`,
    why: ["it looks in the folder it runs in, and in those above"],
    next: ["leave --dir out, or name a folder above this one: trellis dev --dir .."],
    exitCode: EXIT.usage,
  });
}

/** Whatever else the terminal is set up for, contracts are tried out here and on no other platform. */
function withoutOtherPlatform(context: CommandContext): CommandContext {
  const { env, terminal } = context;
  const set = ELSEWHERE.filter((name) => env[name] !== undefined && env[name] !== "");
  if (set.length > 0) terminal.note(`dev runs with the platform of this folder and does not use ${set.join(", ")}.`);
  return { ...context, env: { ...env, ...Object.fromEntries(ELSEWHERE.map((name) => [name, undefined])) } };
}

const ELSEWHERE = ["TRELLIS_URL", "TRELLIS_SEED_FILE", "TRELLIS_USER_KEY_FILE"];

function requireMain({ cwd }: CommandContext, main: string): void {
  if (existsSync(resolve(cwd, main))) return;
  throw new CliFailure({
    code: "no_main",
    what: `there is no ${main} here to run`,
    next: [
      "go to the folder of your service, or name its file: trellis dev --main src/main.ts",
      "trellis init orders begins one",
    ],
    exitCode: EXIT.notFound,
  });
}
