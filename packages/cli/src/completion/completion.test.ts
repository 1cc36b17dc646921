import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { runCaptured } from "../../test/run-captured.ts";

const complete = async (...words: string[]): Promise<string[]> => {
  const { stdout } = await runCaptured(["complete", "--", ...words]);
  return stdout.split("\n").flatMap((line) => line.split("\t")[0] || []);
};

test("commands, subcommands, options and choices", async () => {
  expect(await complete("se")).toEqual(["sessions"]);
  expect(await complete("svc", "pla")).toEqual(["plan", "plans"]);
  expect(await complete("svc", "plan", "orders", "--so")).toEqual(["--source"]);
  expect(await complete("up", "--nodes", "")).toEqual(["1", "3"]);
  expect(await complete("svc", "mode", "orders", "")).toEqual(["strict", "mutable-dev"]);
  expect(await complete("completion", "z")).toEqual(["zsh"]);
  expect(await complete("complet")).toEqual(["completion"]);
  expect(await complete("svc", "show", "any", "")).toEqual([]);
});

test.each(["bash", "zsh", "fish"])("the %s script is one the shell can read", async (shell) => {
  const { exitCode, stdout } = await runCaptured(["completion", shell]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("trellis complete --");
  const program = ["/bin", "/usr/bin"].map((folder) => `${folder}/${shell}`).find((path) => existsSync(path));
  if (program !== undefined) execFileSync(program, ["-n"], { input: stdout });
});
