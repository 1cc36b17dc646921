// npm run check: everything a machine can say about the code without running the product. `npm run check -- types` runs one step.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILER } from "./compiler.ts";

const root = join(import.meta.dirname, "..");
const only = process.argv.slice(2);

interface Step {
  readonly name: string;
  readonly says: string;
  readonly commands: readonly (readonly string[])[];
}

const steps: readonly Step[] = [
  {
    name: "format",
    says: "prettier: one way to write it",
    commands: [
      [
        "prettier",
        "--check",
        "--cache",
        "--cache-location=.cache/prettier",
        "--cache-strategy=content",
        "--log-level=warn",
        ".",
      ],
    ],
  },
  {
    name: "types",
    says: "tsc: packages, then tests, examples, bench and scripts",
    commands: [
      [...COMPILER, "-b"],
      [...COMPILER, "-p", "tsconfig.tests.json"],
    ],
  },
  { name: "lint", says: "oxlint with types", commands: [["oxlint", "--type-aware", "--deny-warnings"]] },
  {
    name: "direction",
    says: "dependency-cruiser: no cycles, arrows one way",
    commands: [["depcruise", "--config", ".dependency-cruiser.mjs", "--output-type", "err", "packages"]],
  },
  { name: "dependencies", says: "knip: nothing unused, nothing undeclared", commands: [["knip"]] },
  {
    name: "vectors",
    says: "conformance vectors are what the code writes",
    commands: [["node", "conformance/write.ts", "--check"]],
  },
  {
    name: "generated",
    says: "reference pages, tables and quoted code are what the code says",
    commands: [["node", "scripts/prepare-generated.ts", "--check"]],
  },
  {
    name: "packages",
    says: "publint and attw on what would be published",
    commands: [["node", "scripts/pack.ts", "--check"]],
  },
];

const unknown = only.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `error: there is no check named ${unknown.join(", ")}\n  next: choose from ${steps.map((step) => step.name).join(", ")}\n`,
  );
  process.exit(2);
}

const chosen = steps.filter((step) => only.length === 0 || only.includes(step.name));
const failed: string[] = [];
for (const step of chosen) {
  const startedAt = performance.now();
  const problem = firstProblem(step);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    `${problem === undefined ? "ok  " : "FAIL"} ${step.name.padEnd(13)} ${step.says} (${seconds} s)\n`,
  );
  if (problem !== undefined) {
    failed.push(step.name);
    process.stdout.write(`${problem}\n`);
  }
}

mkdirSync(join(root, ".cache"), { recursive: true });
writeFileSync(
  join(root, ".cache", "check-results.json"),
  JSON.stringify({ passed: chosen.length - failed.length, failed: failed.length }),
);
if (failed.length > 0) {
  process.stdout.write(
    `\n${failed.length} of ${chosen.length} checks failed: ${failed.join(", ")}. Run one alone with: npm run check -- ${failed[0] ?? ""}\n`,
  );
  process.exitCode = 1;
}

/** What the first failing command of a step printed; undefined when all of them are content. */
function firstProblem(step: Step): string | undefined {
  for (const [command = "", ...args] of step.commands) {
    const run = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
    if (run.status !== 0) return `${run.stdout ?? ""}${run.stderr ?? ""}${run.error?.message ?? ""}`.trim();
  }
  return undefined;
}
