// Every `trellis …` that a page tells people to type is a command, with options that it has.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { markdownFiles } from "../scripts/generated-docs.ts";

const root = join(import.meta.dirname, "..");
const REFERENCE = join("docs", "reference", "cli.md");
const GLOBAL = ["--json", "--help"];

const commands = readReference(readFileSync(join(root, REFERENCE), "utf8"));
const pages = markdownFiles(root).filter((page) => page !== REFERENCE && !page.startsWith(".changeset"));

it.each(pages)("%s", (page) => {
  expect(typed(readFileSync(join(root, page), "utf8")).flatMap((line) => wrongIn(line) ?? [])).toEqual([]);
});

it("finds what is wrong", () => {
  expect(wrongIn("trellis svc plan orders --source ./orders --json")).toBeUndefined();
  expect(wrongIn("trellis svc plan orders --contract x")).toContain("--contract");
  expect(wrongIn("trellis svk plan")).toContain("svk");
});

/** The options of each command, by its words. */
function readReference(text: string): ReadonlyMap<string, readonly string[]> {
  const sections = text.split(/^#+ (?=trellis )/m).slice(1);
  return new Map(
    sections.map((section) => [
      section.split("\n", 1)[0] ?? "",
      [...section.matchAll(/^- `([^`]+)`/gm)].flatMap(([, shown = ""]) => shown.match(/--?[a-z][a-z-]*/g) ?? []),
    ]),
  );
}

/** What a page shows between backticks or in a shell block and what begins with the command. */
function typed(text: string): readonly string[] {
  const blocks = [...text.matchAll(/```sh[^\n]*\n([\s\S]*?)```/g)].flatMap(([, block = ""]) => block.split("\n"));
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);
  return [...blocks, ...spans].flatMap((line) => {
    const [command] = /(?:^|[\s(])trellis [a-z].*/.exec(line.replace(/^npx /, "").split(/ #|\||&&|;/)[0] ?? "") ?? [];
    return command === undefined ? [] : [command.trim()];
  });
}

function wrongIn(line: string): string | undefined {
  const words = line.split(/\s+/);
  let name = "trellis";
  for (const word of words.slice(1)) {
    if (!commands.has(`${name} ${word}`)) break;
    name += ` ${word}`;
  }
  const options = commands.get(name);
  if (options === undefined) return `${line}: there is no such command`;
  // A group by its name alone does what one of its commands does.
  const known = [...commands].flatMap(([each, its]) => (each.startsWith(name) ? its : []));
  const unknown = words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.replace(/[^a-z-].*$/, ""));
  const missing = unknown.filter((option) => ![...GLOBAL, ...known].includes(option));
  return missing.length === 0 ? undefined : `${line}: ${name} has no ${missing.join(", ")}`;
}
