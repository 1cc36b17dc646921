import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createNodeSessionKey } from "@trellis/auth/node";
import { findServiceKey } from "./find-service-key.ts";

let folder: string;
let told: string[];
const tell = (message: string): void => void told.push(message);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trellis-key-"));
  told = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function localPlatform(): void {
  mkdirSync(join(folder, ".trellis"), { recursive: true });
  writeFileSync(
    join(folder, ".trellis", "local.json"),
    JSON.stringify({ url: "http://localhost:3000", developerKeyFile: "developer.seed" }),
    { mode: 0o600 },
  );
}

describe("findServiceKey", () => {
  test("without any platform says how to get one", () => {
    expect(() => findServiceKey("orders", { cwd: folder, env: {} }, tell)).toThrow(/trellis up.*TRELLIS_URL/s);
  });

  test("a real platform without a key names the command", () => {
    expect(() =>
      findServiceKey("orders", { cwd: folder, env: { TRELLIS_URL: "https://trellis.example.com" } }, tell),
    ).toThrow(
      /no key for the platform at https:\/\/trellis\.example\.com.*trellis svc provision orders.*TRELLIS_SEED_FILE/s,
    );
  });

  test("a local platform below does not lend its key to another one", () => {
    localPlatform();
    expect(() =>
      findServiceKey("orders", { cwd: folder, env: { TRELLIS_URL: "https://trellis.example.com" } }, tell),
    ).toThrow(/svc provision/);
  });

  test("on the local platform it makes a key once, for its owner only, and says so once", () => {
    localPlatform();
    const below = join(folder, "deep", "er");
    mkdirSync(below, { recursive: true });
    const first = findServiceKey("orders", { cwd: below, env: {} }, tell);
    expect(first).toMatchObject({ url: "http://localhost:3000", fresh: true });
    const file = join(folder, ".trellis", "keys", "orders.seed");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = findServiceKey("orders", { cwd: below, env: { TRELLIS_URL: "http://localhost:3000/" } }, tell);
    expect(second.fresh).toBe(false);
    expect(second.key.publicKey).toBe(first.key.publicKey);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(file);
  });

  test("a given key wins, and nothing is registered with it", () => {
    localPlatform();
    const key = createNodeSessionKey();
    expect(findServiceKey("orders", { cwd: folder, env: {}, key }, tell)).toEqual({
      url: "http://localhost:3000",
      key,
      fresh: false,
    });
  });

  test("a key file others may read is refused", () => {
    const seedFile = join(folder, "open.seed");
    writeFileSync(seedFile, "A".repeat(43), { mode: 0o644 });
    expect(() =>
      findServiceKey(
        "orders",
        { cwd: folder, env: { TRELLIS_URL: "https://x.example", TRELLIS_SEED_FILE: seedFile } },
        tell,
      ),
    ).toThrow(/chmod 600/);
  });
});
