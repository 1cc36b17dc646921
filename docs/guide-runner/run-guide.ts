import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { compareOutput } from "./compare-output.ts";
import { type GuideStep, readGuide } from "./read-guide.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export interface GuideRun {
  /** Where the reader begins: an empty folder. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onStep?: (step: GuideStep) => void;
}

/** Installing packages on a slow line takes longest. */
const RUN_MS = 240_000;
const PRINTED_MS = 60_000;

/** Does what a guide says, in the order it says it; throws at the first thing that is not as it says. */
export async function runGuide(file: string, { folder, env, onStep = () => undefined }: GuideRun): Promise<void> {
  const terminals = new Map<string, Terminal>();
  let cwd = folder;
  try {
    for (const step of readGuide(readFileSync(file, "utf8"))) {
      onStep(step);
      const where = `${file}:${step.line}`;
      if (step.kind === "file") write(join(cwd, step.path), step.text);
      else if (step.kind === "run") cwd = await run(step, where, cwd, folder, env);
      else if (step.kind === "see") {
        const terminal = terminals.get(step.terminal);
        if (!terminal) throw new Error(`${where}: nothing runs in terminal ${step.terminal}`);
        await printed(terminal, step.output, where);
      } else {
        await terminals.get(step.terminal)?.stop();
        const terminal = openTerminal(withExports(step.script, folder), cwd, env);
        terminals.set(step.terminal, terminal);
        await printed(terminal, step.output, where);
      }
    }
  } finally {
    for (const terminal of [...terminals.values()].toReversed()) await terminal.stop();
  }
}

/** Runs commands to their end; answers the folder they end in. */
async function run(
  step: Extract<GuideStep, { kind: "run" }>,
  where: string,
  cwd: string,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const place = join(dirname(folder), "cwd");
  const kept = `pwd > ${JSON.stringify(place)}\nexport -p > ${JSON.stringify(exportsFile(folder))}`;
  const terminal = openTerminal(withExports(`set -e\n${step.script}\n${kept}`, folder), cwd, env);
  const code = await Promise.race([terminal.ended, pause(RUN_MS, "late" as const, { ref: false })]);
  await terminal.stop();
  if (code !== 0) throw new Error(`${where}: ended with ${code}\n${terminal.text()}`);
  const problem = step.output === undefined ? undefined : compareOutput(step.output, terminal.text("out"));
  if (problem !== undefined)
    throw new Error(`${where}: the output is not what the guide says\n${problem}\nall of it:\n${terminal.text()}`);
  return readFileSync(place, "utf8").trim();
}

/** What one terminal exported, a reader sets in every other. */
function withExports(script: string, folder: string): string {
  const file = exportsFile(folder);
  return existsSync(file) ? `. ${JSON.stringify(file)}\n${script}` : script;
}

function exportsFile(folder: string): string {
  return join(dirname(folder), "exports.sh");
}

async function printed(terminal: Terminal, output: string, where: string): Promise<void> {
  const endsAt = performance.now() + PRINTED_MS;
  for (;;) {
    const problem = compareOutput(output, terminal.text(), true);
    if (problem === undefined) return;
    if (!terminal.running || performance.now() > endsAt) {
      throw new Error(`${where}: never printed what the guide says\n${problem}\nall of it:\n${terminal.text()}`);
    }
    await pause(50);
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
