/** One thing a guide makes its reader do. */
export type GuideStep =
  /** Commands, and what they print: undefined when the guide does not show it. */
  | { readonly kind: "run"; readonly line: number; readonly script: string; readonly output?: string }
  /** Commands in a terminal of their own, which goes on; the guide goes on when this was printed. */
  | {
      readonly kind: "start";
      readonly line: number;
      readonly terminal: string;
      readonly script: string;
      readonly output: string;
    }
  /** What a terminal that goes on prints meanwhile. */
  | { readonly kind: "see"; readonly line: number; readonly terminal: string; readonly output: string }
  | { readonly kind: "file"; readonly line: number; readonly path: string; readonly text: string };

interface Fence {
  readonly line: number;
  readonly language: string;
  readonly rest: string;
  readonly text: string;
}

/**
 * Reads the steps of a guide from its fenced blocks:
 *
 * - `sh`: commands, run in order in one terminal;
 * - `sh terminal 2`: commands that go on in another terminal; a second block for it stops the first, as Ctrl-C would;
 * - `text` right after one of these: what it prints;
 * - `text terminal 2`: what the other terminal prints by now, or a little later;
 * - a language and a file name (`ts main.ts`): a file to write;
 * - anything else is for reading only, and `sh not run` says so of commands.
 */
export function readGuide(markdown: string): readonly GuideStep[] {
  const fences = readFences(markdown);
  const steps: GuideStep[] = [];
  for (const [index, { line, language, rest, text }] of fences.entries()) {
    const next = fences[index + 1];
    const output = next?.language === "text" && next.rest === "" ? next.text : undefined;
    const terminal = /^terminal (\S+)$/.exec(rest)?.[1];
    if (language === "sh" && rest === "") {
      steps.push({ kind: "run", line, script: text, ...(output === undefined ? {} : { output }) });
    } else if (language === "sh" && terminal !== undefined) {
      if (output === undefined)
        throw new Error(`line ${line}: terminal ${terminal} needs a text block that says what it prints`);
      steps.push({ kind: "start", line, terminal, script: text, output });
    } else if (language === "sh" && rest !== "not run") {
      throw new Error(`line ${line}: "sh ${rest}" means nothing; write sh, sh terminal <n> or sh not run`);
    } else if (language === "text" && terminal !== undefined) {
      steps.push({ kind: "see", line, terminal, output: text });
    } else if (language !== "sh" && language !== "text" && rest !== "") {
      steps.push({ kind: "file", line, path: rest, text });
    }
  }
  return steps;
}

function readFences(markdown: string): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { line: number; language: string; rest: string; lines: string[] } | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    if (open === undefined) {
      const [, language = "", rest = ""] = /^```(\S+)\s*(.*)$/.exec(line) ?? [];
      if (language !== "") open = { line: index + 1, language, rest: rest.trim(), lines: [] };
    } else if (line === "```") {
      fences.push({ ...open, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else open.lines.push(line);
  }
  return fences;
}
