import type { Problem } from "./parse.ts";

/** A contract, or a part of one, that cannot be: every problem at once, each with where, what and the way out. */
export class ContractError extends Error {
  override readonly name = "ContractError";
  readonly code = "contract_invalid";
  readonly problems: readonly Problem[];

  constructor(subject: string, problems: readonly Problem[]) {
    super(
      `${subject} has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n${problems.map(describe).join("\n")}`,
    );
    this.problems = problems;
  }
}

function describe({ path, message, fix }: Problem): string {
  return `  ${path === "" ? "/" : path}: ${message}${fix === undefined ? "" : ` — ${fix}`}`;
}
