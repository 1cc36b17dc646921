const ANYTHING = "…";

/**
 * What is wrong with an output, or undefined. Lines are compared whole and in order; `…` inside a line stands for any
 * text, with the spaces beside it, a line that is only `…` for any lines. With `partly`, lines the guide does not show may stand anywhere.
 */
export function compareOutput(expected: string, actual: string, partly = false): string | undefined {
  const wanted = lines(expected);
  const printed = lines(actual);
  let at = 0;
  let skip = partly;
  for (const line of wanted) {
    if (line === ANYTHING) {
      skip = true;
      continue;
    }
    const found = skip ? printed.findIndex((text, index) => index >= at && matches(line, text)) : at;
    const text = printed[found];
    if (text === undefined || !matches(line, text)) {
      return `the guide says: ${line}\nthere is:       ${skip ? `no such line from line ${at + 1} on` : (text ?? "nothing more")}`;
    }
    at = found + 1;
    skip = partly;
  }
  return skip || at === printed.length ? undefined : `the guide does not show: ${printed[at] ?? ""}`;
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
}

function matches(expected: string, actual: string): boolean {
  const parts = expected.split(ANYTHING).map((part) => part.trim());
  const [first = "", ...others] = parts;
  const last = others.pop();
  if (last === undefined) return expected === actual;
  if (!actual.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = actual.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return actual.length - at >= last.length && actual.endsWith(last);
}
