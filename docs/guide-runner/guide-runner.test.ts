import { describe, expect, it } from "vitest";
import { compareOutput } from "./compare-output.ts";
import { readGuide } from "./read-guide.ts";

describe("an output", () => {
  it.each([
    ["the same", "a\nb\n", "a\nb\n"],
    ["blank lines and ends of lines aside", "a\n\nb", "a  \nb\n"],
    ["any text in a line", "key … made", "key abc made"],
    ["any text around words", "…Serving.…", '{"message":"Serving."}'],
    ["any lines", "a\n…\nd", "a\nb\nc\nd"],
    ["any lines at the end", "a\n…", "a\nb"],
  ])("is accepted: %s", (_name, expected, actual) => expect(compareOutput(expected, actual)).toBeUndefined());

  it.each([
    ["another line", "a", "b"],
    ["a line too many", "a", "a\nb"],
    ["a line too few", "a\nb", "a"],
    ["another order", "a\nb", "b\na"],
    ["another beginning", "key … made", "the key abc made"],
    ["another end", "key …!", "key abc"],
    ["words that overlap", "ab…ba", "aba"],
    ["nothing where lines may be skipped", "…\nz", "a\nb"],
  ])("is refused: %s", (_name, expected, actual) => expect(compareOutput(expected, actual)).toBeDefined());

  it("may hold more when only part of it is awaited", () => {
    expect(compareOutput("b\nd", "a\nb\nc\nd\ne", true)).toBeUndefined();
    expect(compareOutput("d\nb", "a\nb\nc\nd\ne", true)).toContain("the guide says: b");
  });
});

describe("a guide", () => {
  it("is read as steps", () => {
    const guide = [
      "```ts main.ts",
      "one();",
      "```",
      "",
      "```sh",
      "ls",
      "```",
      "```text",
      "main.ts",
      "```",
      "```sh terminal 1",
      "up",
      "```",
      "```text",
      "ready",
      "```",
      "```text terminal 1",
      "more",
      "```",
    ];
    expect(readGuide(guide.join("\n"))).toEqual([
      { kind: "file", line: 1, path: "main.ts", text: "one();\n" },
      { kind: "run", line: 5, script: "ls\n", output: "main.ts\n" },
      { kind: "start", line: 11, terminal: "1", script: "up\n", output: "ready\n" },
      { kind: "see", line: 17, terminal: "1", output: "more\n" },
    ]);
  });

  it("leaves nothing out by a slip", () => {
    expect(() => readGuide("```sh terminal 1\nup\n```")).toThrow("needs a text block");
    expect(() => readGuide("```sh termnal 1\nup\n```")).toThrow("means nothing");
    expect(readGuide("```sh not run\nrm -r .\n```\n```ts\nonly(read);\n```")).toEqual([]);
  });
});
