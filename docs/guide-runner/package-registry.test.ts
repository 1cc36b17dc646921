import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startPackageRegistry } from "./package-registry.ts";

let packed: string;
beforeEach(() => {
  packed = mkdtempSync(join(tmpdir(), "trellis-packed-"));
  mkdirSync(join(packed, "staged"));
});
afterEach(() => rmSync(packed, { recursive: true }));

it("listens where it is told to, says when it cannot, and sends npm on for what it does not have", async () => {
  await using registry = await startPackageRegistry(packed, "https://registry.example.org/");
  await expect(startPackageRegistry(packed, "", Number(new URL(registry.url).port))).rejects.toThrow("EADDRINUSE");
  const answer = await fetch(`${registry.url}hono`, { redirect: "manual" });
  expect(answer.headers.get("location")).toBe("https://registry.example.org/hono");
});
