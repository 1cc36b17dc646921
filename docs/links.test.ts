// Every link between pages leads somewhere, headings included, and no page knows the machine it was written on.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, it } from "vitest";
import { markdownFiles } from "../scripts/generated-docs.ts";

const root = join(import.meta.dirname, "..");

it.each(markdownFiles(root))("%s", (page) => {
  const text = readFileSync(join(root, page), "utf8");
  const prose = text.replaceAll(/```[\s\S]*?```/g, "");
  const broken = [...prose.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].flatMap(([, target = ""]) =>
    leadsSomewhere(page, target) ? [] : [target],
  );
  expect(broken).toEqual([]);
  expect(text).not.toMatch(/\/(home|root|tmp|work)\/[a-z]|\.\.\/shared/);
});

function leadsSomewhere(page: string, target: string): boolean {
  const [path = "", heading] = target.split("#");
  const file = path === "" ? join(root, page) : join(root, dirname(page), path);
  // Above the repository there is nothing a reader has.
  if (relative(root, file).startsWith("..") || !existsSync(file)) return false;
  return heading === undefined || headings(readFileSync(file, "utf8")).has(heading);
}

/** As the sites that show Markdown name them. */
function headings(text: string): ReadonlySet<string> {
  const lines = text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...lines].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}
