import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describeSettings } from "@trellis/platform";
import { AUTH_WORDS, TRANSFER_WORDS, TRANSPORT_WORDS } from "@trellis/protocol";
import { auth } from "@trellis/sdk/auth";
import { core } from "@trellis/sdk/core";
import { health } from "@trellis/sdk/health";
import { jobs } from "@trellis/sdk/jobs";
import { resources } from "@trellis/sdk/resources";
import { state } from "@trellis/sdk/state";
import { renderCliReference } from "trellis";
import { contractMarkdown } from "../packages/cli/src/contract/contract-markdown.ts";

/** A file as it should be: its path from the root of the repository, and its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** Whole pages written from code, and pages of ours with parts written from code. */
export async function generatedDocs(root: string): Promise<readonly GeneratedFile[]> {
  const contracts = [auth, core, health, jobs, resources, state].map(({ id, manifest }) => ({
    path: `docs/reference/${id}.md`,
    text: page(contractMarkdown(manifest)),
  }));
  const reference = [
    { path: "docs/reference/configuration.md", text: configuration() },
    { path: "docs/reference/cli.md", text: page(await renderCliReference()) },
    ...contracts,
  ];
  const written = new Set(reference.map(({ path }) => path));
  const handWritten = markdownFiles(root).filter((path) => !written.has(path));
  return [
    ...reference,
    ...handWritten.map((path) => ({
      path,
      text: withGeneratedParts(root, path, readFileSync(join(root, path), "utf8")),
    })),
  ];
}

/** Every Markdown page whose code and tables are held to what they say they are. */
export function markdownFiles(root: string): readonly string[] {
  const folders = ["docs", "design"].flatMap((folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map(
          (path) => `${folder}/${path.replaceAll("\\", "/")}`,
        )
      : [],
  );
  const single = ["README.md", "CONTRIBUTING.md", "examples/orders/README.md"].filter((path) =>
    existsSync(join(root, path)),
  );
  return [...single, ...folders.filter((path) => path.endsWith(".md")).sort()];
}

const QUOTE = /(<!-- from: (\S+) -->\n+```[^\n]*\n)[\s\S]*?\n?(```)/g;
const PART = /(<!-- generated: (\S+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** Fills `<!-- from: file -->` code blocks and `<!-- generated: name --> … <!-- end -->` parts. */
export function withGeneratedParts(root: string, page: string, text: string): string {
  return text
    .replaceAll(QUOTE, (_match, opening: string, path: string, closing: string) => {
      if (!existsSync(join(root, path))) throw new Error(`${page} quotes ${path}, which does not exist`);
      return `${opening}${readFileSync(join(root, path), "utf8").trimEnd()}\n${closing}`;
    })
    .replaceAll(PART, (_match, opening: string, name: string, closing: string) => {
      const part = PARTS[name];
      if (part === undefined)
        throw new Error(`${page} has a generated part "${name}"; known are ${Object.keys(PARTS).join(", ")}`);
      return `${opening}\n${part()}\n\n${closing}`;
    });
}

const PARTS: { readonly [name: string]: () => string } = {
  "auth-reasons": () =>
    table(
      ["Reason", "What happened", "What to do"],
      Object.entries(AUTH_WORDS).map(([reason, { message, hint }]) => [`\`${reason}\``, message, hint]),
    ),
  "transport-codes": () => codes(TRANSPORT_WORDS),
  "transfer-codes": () => codes(TRANSFER_WORDS),
};

function codes(words: typeof TRANSPORT_WORDS | typeof TRANSFER_WORDS): string {
  return table(
    ["Code", "What happened", "What to do", "Again?"],
    Object.entries(words).map(([code, { message, hint, retryable }]) => [
      `\`${code}\``,
      message,
      hint,
      retryable ? "yes" : "no",
    ]),
  );
}

function configuration(): string {
  const rows = describeSettings().map(({ name, env, default: value, describe, reason }) => [
    `\`${env}\``,
    `\`${name}\``,
    value === "(none)" ? "none" : `\`${value}\``,
    `${describe} ${reason}`,
  ]);
  return page(
    [
      "# Configuration of the control plane",
      "",
      "Generated from the settings themselves; do not edit.",
      "",
      "Each setting comes from its environment variable, else from the JSON file that `TRELLIS_CONFIG` names (under the name",
      "in the second column), else from its default. Durations are written `500ms`, `30s`, `5m`, `1h`, `7d`; sizes `512MiB`,",
      "`2GiB`; lists with commas. Wrong settings are refused at start, all of them in one message.",
      "",
      table(["Variable", "In the file", "Default", "Meaning and reason"], rows),
    ].join("\n"),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function page(text: string): string {
  return `${text.trimEnd()}\n`;
}
