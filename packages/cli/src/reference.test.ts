import { expect, test } from "vitest";
import { runCaptured } from "../test/run-captured.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT_CODES, EXIT } from "./exit-codes.ts";
import { renderCliReference } from "./reference.ts";

test("the reference names every command for people, with an example, and every exit code", async () => {
  const page = await renderCliReference();
  for (const { name, hidden } of COMMANDS) {
    const heading = page.includes(`\n## trellis ${name}\n`);
    expect(heading, name).toBe(hidden !== true);
  }
  for (const { code, meaning } of EXIT_CODES) expect(page).toContain(`| ${code} | ${meaning} |`);
  expect(EXIT_CODES.map(({ code }) => code)).toEqual(Object.values(EXIT));

  const sections = page.split(/^#+ (?=trellis )/m).slice(1);
  expect(sections.length).toBeGreaterThan(30);
  for (const section of sections) {
    const [name = ""] = section.split("\n");
    const isGroup = sections.some((other) => other.startsWith(`${name} `));
    if (!isGroup) expect(section, name).toContain(`\`\`\`sh\n`);
  }
});

test("help of a command ends with its example", async () => {
  const { stdout } = await runCaptured(["svc", "plan", "--help"]);
  expect(stdout.trimEnd().endsWith("Example:\n  trellis svc plan orders --source ./orders")).toBe(true);
});
