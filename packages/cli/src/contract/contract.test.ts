import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Json, contractDigest, defineServiceContract, type Manifest, parseManifest } from "@trellis/contracts";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCaptured } from "../../test/run-captured.ts";
import { EXIT } from "../exit-codes.ts";

const Order = Type.Object({ id: Type.String() });
const describeOrders = (rpc: readonly string[]): Manifest =>
  defineServiceContract({ schemas: { Order } }, (ref) => ({
    id: "orders@v1",
    displayName: "Orders",
    description: "Take orders.",
    rpc: Object.fromEntries(
      rpc.map((name) => [name, { version: "v1", input: ref.schema("Order"), output: ref.schema("Order") }]),
    ),
  })).manifest;
const one = describeOrders(["Orders.Get"]);
const two = describeOrders(["Orders.Get", "Orders.Cancel"]);

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "trellis-cli-"));
  writeFileSync(join(cwd, "one.json"), JSON.stringify(one));
  writeFileSync(join(cwd, "two.json"), JSON.stringify(two));
  writeFileSync(
    join(cwd, "broken.json"),
    JSON.stringify({ ...one, id: "Orders", rpc: { "Orders.Get": { version: 1 } } }),
  );
  writeFileSync(join(cwd, "contract.mjs"), `export default { manifest: ${JSON.stringify(one)} };\n`);
  writeFileSync(
    join(cwd, "mistakes.mjs"),
    `import { defineServiceContract } from ${JSON.stringify(import.meta.resolve("@trellis/contracts"))};
     export default defineServiceContract({}, () => ({ id: "Orders", displayName: "", description: "x", rpc: { get: {} } }));`,
  );
  writeFileSync(join(cwd, "nothing.mjs"), "export const answer = 42;\n");
  writeFileSync(join(cwd, "throws.mjs"), "throw new Error('no such planet');\n");
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const contract = (...args: string[]) => runCaptured(["contract", ...args], { cwd });

describe("contract digest and canonical", () => {
  test.each(["one.json", ".", "contract.mjs"])("the digest of %s and nothing else", async (path) => {
    expect(await contract("digest", path)).toEqual({
      exitCode: EXIT.ok,
      stdout: `${contractDigest(one)}\n`,
      stderr: "",
    });
  });

  test("canonical prints one line that parses back to the same contract", async () => {
    const { exitCode, stdout } = await contract("canonical", "two.json");
    expect(exitCode).toBe(EXIT.ok);
    expect(stdout.trim().split("\n")).toHaveLength(1);
    const parsed = parseManifest(stdout.trim());
    expect(parsed.ok && contractDigest(parsed.value.manifest)).toBe(contractDigest(two));
    const members = Object.keys(JSON.parse(stdout) as Record<string, Json>);
    expect(members).toEqual([...members].sort());
  });
});

describe("contract diff", () => {
  test.each([
    ["one.json", "one.json", "identical", EXIT.ok],
    ["one.json", "two.json", "compatible", EXIT.ok],
    ["two.json", "one.json", "breaking", EXIT.no],
  ])("%s → %s is %s", async (older, newer, verdict, exitCode) => {
    const answer = await contract("diff", older, newer, "--json");
    expect(answer.exitCode).toBe(exitCode);
    const found = JSON.parse(answer.stdout);
    expect(Object.keys(found)).toEqual(["verdict", "changes"]);
    expect(found.verdict).toBe(verdict);
    expect(found.changes.length > 0).toBe(verdict !== "identical");
  });

  test("people read who breaks", async () => {
    const { stdout } = await contract("diff", "two.json", "one.json");
    expect(stdout).toContain("orders@v1 → orders@v1: breaking");
    expect(stdout).toMatch(/- \/rpc\/Orders\.Cancel .*breaks callers/);
  });
});

describe("contract check and docs", () => {
  test("a good one is named with its digest", async () => {
    const { exitCode, stdout } = await contract("check");
    expect(exitCode).toBe(EXIT.ok);
    expect(stdout).toBe(`ok orders@v1 (service), 1 surface, digest ${contractDigest(one)}\n`);
  });

  test("every problem of a bad one is listed with its path", async () => {
    const { exitCode, stderr } = await contract("check", "broken.json");
    expect(exitCode).toBe(EXIT.no);
    expect(stderr).toMatch(/^ {2}\/id: /m);
    expect(stderr).toMatch(/^ {2}\/rpc\/Orders\.Get/m);
  });

  test.each([
    ["nowhere", EXIT.notFound, "there is no contract at nowhere"],
    ["nothing.mjs", EXIT.no, "nothing.mjs exports no contract"],
    ["throws.mjs", EXIT.no, "no such planet"],
  ])("%s: exit code %i", async (path, exitCode, message) => {
    const answer = await contract("check", path);
    expect(answer.exitCode).toBe(exitCode);
    expect(answer.stderr).toContain(message);
  });

  test("so is every problem of a module that does not define one, each on its own for programs", async () => {
    const { exitCode, stderr } = await contract("check", "mistakes.mjs", "--json");
    expect(exitCode).toBe(EXIT.no);
    const { error } = JSON.parse(stderr) as { error: { code: string; what: string; why: string[] } };
    expect(error).toMatchObject({
      code: "manifest_invalid",
      what: `mistakes.mjs is not a contract: ${error.why.length} problems`,
    });
    expect(error.why).toContainEqual(expect.stringMatching(/^\/id: "Orders" is not a contract id/));
    expect(error.why.length).toBeGreaterThan(2);
    expect(error.why.join("")).not.toContain("\n");
  });

  test("docs name each surface and its schemas", async () => {
    const { stdout } = await contract("docs", "two.json");
    expect(stdout).toContain("# Orders");
    expect(stdout).toContain("## RPC Orders.Cancel");
    expect(stdout).toContain("- Subject: `rpc.v1.Orders.Get`");
  });
});
