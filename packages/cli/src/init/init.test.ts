import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCaptured } from "../../test/run-captured.ts";
import { EXIT } from "../exit-codes.ts";
import { CLI_VERSION } from "../version.ts";

let cwd: string;

beforeEach(() => {
  // Inside the workspace, so that the packages are found without installing them.
  const cache = join(import.meta.dirname, "..", "..", "..", "..", ".cache");
  mkdirSync(cache, { recursive: true });
  cwd = mkdtempSync(join(cache, "trellis-init-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

test("a new service is a contract that checks, under its own name everywhere", async () => {
  const { exitCode, stdout } = await runCaptured(["init", "my-orders"], { cwd });
  expect(exitCode).toBe(EXIT.ok);
  expect(stdout).toContain("cd my-orders && npm install");
  const folder = join(cwd, "my-orders");
  const files = readdirSync(folder).sort();
  expect(files).toEqual([
    ".gitignore",
    "README.md",
    "contract.ts",
    "handlers.ts",
    "main.test.ts",
    "main.ts",
    "package.json",
    "tsconfig.json",
  ]);
  for (const file of files) expect(readFileSync(join(folder, file), "utf8"), file).not.toMatch(/sample.?service/i);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  expect(manifest).toMatchObject({
    name: "my-orders",
    type: "module",
    dependencies: { "@trellis/server": CLI_VERSION },
  });

  const bin = join(import.meta.dirname, "..", "bin.ts");
  const checked = execFileSync(process.execPath, [bin, "contract", "check", "--json"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(JSON.parse(checked)).toMatchObject({ id: "my-orders@v1", kind: "service", surfaces: 1, warnings: [] });
});

test.each(["Orders", "1st", "my_orders", "../up"])("%s cannot name a service", async (name) => {
  expect((await runCaptured(["init", name], { cwd })).exitCode).toBe(EXIT.usage);
  expect(readdirSync(cwd)).toEqual([]);
});

test("a folder with something in it is left alone", async () => {
  mkdirSync(join(cwd, "orders"));
  writeFileSync(join(cwd, "orders", "notes.txt"), "mine");
  const { exitCode, stderr } = await runCaptured(["init", "orders"], { cwd });
  expect(exitCode).toBe(EXIT.no);
  expect(stderr).toContain("nothing was written");
  expect(readdirSync(join(cwd, "orders"))).toEqual(["notes.txt"]);
});

test("linked packages come from tarballs, those of ours that ours need too", async () => {
  const tarballs = join(cwd, "packages");
  mkdirSync(tarballs);
  for (const name of [
    "trellis",
    "trellis-contracts",
    "trellis-result",
    "trellis-server",
    "trellis-testing",
    "trellis-protocol",
  ]) {
    writeFileSync(join(tarballs, `${name}-0.1.0.tgz`), "");
  }
  expect((await runCaptured(["init", "orders", "--link", "packages"], { cwd })).exitCode).toBe(EXIT.ok);
  const manifest = JSON.parse(readFileSync(join(cwd, "orders", "package.json"), "utf8"));
  expect(manifest.dependencies["@trellis/server"]).toBe(`file:${join(tarballs, "trellis-server-0.1.0.tgz")}`);
  expect(manifest.devDependencies.trellis).toBe(`file:${join(tarballs, "trellis-0.1.0.tgz")}`);
  expect(manifest.overrides["@trellis/protocol"]).toBe(`file:${join(tarballs, "trellis-protocol-0.1.0.tgz")}`);

  rmSync(join(tarballs, "trellis-server-0.1.0.tgz"));
  const { exitCode, stderr } = await runCaptured(["init", "billing", "--link", "packages"], { cwd });
  expect(exitCode).toBe(EXIT.notFound);
  expect(stderr).toContain("no tarball of @trellis/server");
});
