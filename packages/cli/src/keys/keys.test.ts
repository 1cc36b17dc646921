import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCaptured } from "../../test/run-captured.ts";
import { EXIT } from "../exit-codes.ts";

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "trellis-cli-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

test("a new key is for its owner only, and shown again as the same public half", async () => {
  const made = await runCaptured(["keys", "new", "orders.seed"], { cwd });
  expect(made.exitCode).toBe(EXIT.ok);
  expect(made.stdout).toMatch(/^[A-Za-z0-9_-]{43}\n$/);
  expect(statSync(join(cwd, "orders.seed")).mode & 0o777).toBe(0o600);
  expect(await runCaptured(["keys", "show", "orders.seed"], { cwd })).toEqual({
    exitCode: EXIT.ok,
    stdout: made.stdout,
    stderr: "",
  });
});

test("no key is ever overwritten", async () => {
  writeFileSync(join(cwd, "orders.seed"), "mine");
  const { exitCode, stderr } = await runCaptured(["keys", "new", "orders.seed"], { cwd });
  expect(exitCode).toBe(EXIT.no);
  expect(stderr).toContain("exists already and is not overwritten");
});

test.each([
  ["missing.seed", EXIT.notFound, "There is no key"],
  ["open.seed", EXIT.no, "next: chmod 600 open.seed"],
  ["text.seed", EXIT.no, "holds no key"],
])("%s is refused", async (file, exitCode, message) => {
  writeFileSync(join(cwd, "open.seed"), "x", { mode: 0o644 });
  writeFileSync(join(cwd, "text.seed"), "x", { mode: 0o600 });
  const answer = await runCaptured(["keys", "show", file], { cwd });
  expect(answer.exitCode).toBe(exitCode);
  expect(answer.stderr).toContain(message);
});
