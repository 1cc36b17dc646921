import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Manifest, parseManifest, type Problem } from "@trellis/contracts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** A contract found on disk. */
export interface ReadContract {
  readonly manifest: Manifest;
  readonly file: string;
  readonly warnings: readonly string[];
}

/** Where a contract is looked for when a folder is named, in this order. */
const NAMES = ["contract.ts", "contract.mts", "contract.js", "contract.mjs", "trellis.contract.json"];

/** Reads a manifest (`.json`), a module whose default export is a contract, or the contract of a folder. */
export async function readContract(path: string, cwd: string): Promise<ReadContract> {
  const file = locate(resolve(cwd, path), path);
  const shown = relative(cwd, file) || file;
  const value = extname(file) === ".json" ? await readFile(file, "utf8") : await fromModule(file, shown);
  const parsed = parseManifest(value);
  if (!parsed.ok) throw notAContract(shown, parsed.error.problems);
  return {
    manifest: parsed.value.manifest,
    file,
    warnings: parsed.value.warnings.map(({ path, message }) => `${path || "/"}: ${message}`),
  };
}

function locate(path: string, written: string): string {
  if (existsSync(path) && !statSync(path).isDirectory()) return path;
  const found = NAMES.map((name) => join(path, name)).find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new CliFailure({
    code: "contract_not_found",
    what: `there is no contract at ${written}`,
    why: existsSync(path) ? [`the folder holds none of ${NAMES.join(", ")}`] : ["the path does not exist"],
    next: ["name the file that exports the contract, or run trellis init to begin one"],
    exitCode: EXIT.notFound,
  });
}

async function fromModule(file: string, shown: string): Promise<unknown> {
  // The query makes `trellis dev` see a changed file; Node keeps modules by address.
  const module: unknown = await import(`${pathToFileURL(file).href}?read=${statSync(file).mtimeMs}`).catch(
    (error: unknown) => {
      const problems = problemsOf(error);
      if (problems !== undefined) throw notAContract(shown, problems);
      throw new CliFailure({
        code: "contract_unreadable",
        what: `${shown} could not be loaded`,
        why: [error instanceof Error ? error.message : String(error)],
        next: ["the file must run by itself: node " + shown],
      });
    },
  );
  const contract = member(module, "default") ?? member(module, "contract");
  const manifest = member(contract, "manifest");
  if (manifest !== undefined) return manifest;
  throw new CliFailure({
    code: "contract_not_exported",
    what: `${shown} exports no contract`,
    next: ["export it as the default: export default defineServiceContract(…)"],
  });
}

function notAContract(shown: string, problems: readonly Problem[]): CliFailure {
  return new CliFailure({
    code: "manifest_invalid",
    what: `${shown} is not a contract: ${problems.length} problem${problems.length === 1 ? "" : "s"}`,
    why: problems.map(({ path, message, fix }) => `${path || "/"}: ${message}${fix ? ` — ${fix}` : ""}`),
    next: ["mend what is listed and run the command again"],
  });
}

/** What the module's own `define…Contract` threw. Its packages are not ours, so neither is the class of its error. */
function problemsOf(error: unknown): readonly Problem[] | undefined {
  const problems = member(error, "code") === "contract_invalid" ? member(error, "problems") : undefined;
  return Array.isArray(problems) ? problems.map(readProblem) : undefined;
}

function readProblem(problem: unknown): Problem {
  const fix = member(problem, "fix");
  return {
    path: String(member(problem, "path") ?? ""),
    message: String(member(problem, "message") ?? ""),
    ...(typeof fix === "string" ? { fix } : {}),
  };
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : undefined;
}
