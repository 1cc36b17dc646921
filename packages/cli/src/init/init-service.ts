import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isName, NAME_RULES } from "@trellis/contracts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { rename, serviceNames } from "./names.ts";
import { packageJson } from "./package-json.ts";

const TEMPLATES = join(import.meta.dirname, "..", "..", "templates", "service");

/** Writes the files of a new service into a folder of its own. */
export async function initService(
  context: CommandContext,
  name: string,
  { link }: { readonly link?: string },
): Promise<void> {
  const { terminal, cwd, version } = context;
  requireName(name);
  const folder = resolve(cwd, name);
  requireEmpty(folder, name);
  const names = serviceNames(name);
  const files: readonly (readonly [string, string])[] = [
    ...readdirSync(TEMPLATES).map((file) => {
      const text = readFileSync(join(TEMPLATES, file), "utf8");
      // npm would leave out a file called .gitignore.
      return [file === "gitignore" ? ".gitignore" : file, rename(text, names)] as const;
    }),
    ["package.json", packageJson(name, version, link === undefined ? undefined : resolve(cwd, link))],
  ];
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of files) writeFileSync(join(folder, file), text);

  const next = [
    `cd ${name} && npm install`,
    "npx trellis up            # terminal 1: the platform, on this machine",
    "node main.ts              # terminal 2: the service",
    `npx trellis call ${names.pascal}.Get '{"id":"o_1"}'`,
  ];
  terminal.answer({ name, folder, files: files.map(([file]) => file).sort(), next }, () => {
    terminal.print(
      `Made ${name}: ${files
        .map(([file]) => file)
        .sort()
        .join(", ")}`,
    );
    terminal.print("Next:");
    for (const line of next) terminal.print(`  ${line}`);
  });
}

function requireName(name: string): void {
  if (isName("deployment", name)) return;
  throw new CliFailure({
    code: "invalid_name",
    what: `"${name}" cannot name a service`,
    why: [`a name is ${NAME_RULES.deployment.rule}`],
    next: ["trellis init orders"],
    exitCode: EXIT.usage,
  });
}

function requireEmpty(folder: string, name: string): void {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  throw new CliFailure({
    code: "folder_not_empty",
    what: `the folder ${name} exists and is not empty; nothing was written`,
    next: ["choose another name, or empty it first"],
  });
}
