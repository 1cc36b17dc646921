import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { newSeed } from "../session-key.ts";
import { loadOrCreateSeedFile, readSeedFile, SeedFileError, writeSeedFile } from "./seed-file.ts";

const folder = mkdtempSync(join(tmpdir(), "trellis-seed-"));
afterAll(() => rmSync(folder, { recursive: true }));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SeedFileError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing was thrown";
}

describe("seed files", () => {
  test("what is written is read again, and only the owner may", () => {
    const path = join(folder, "deep", "a.seed");
    const seed = newSeed();
    writeSeedFile(path, seed);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readSeedFile(path)).toEqual(seed);
  });

  test.each([0o640, 0o604, 0o666, 0o620])("mode %o is refused with the command that mends it", (mode) => {
    const path = join(folder, `open-${mode}.seed`);
    writeSeedFile(path, newSeed());
    chmodSync(path, mode);
    expect(codeOf(() => readSeedFile(path))).toMatch(/^too_open: .*chmod 600 /);
  });

  test("an existing key is never replaced", () => {
    const path = join(folder, "b.seed");
    const seed = newSeed();
    writeSeedFile(path, seed);
    expect(codeOf(() => writeSeedFile(path, newSeed()))).toMatch(/^exists: /);
    expect(readSeedFile(path)).toEqual(seed);
  });

  test("a file that holds no key says so", () => {
    const path = join(folder, "c.seed");
    writeFileSync(path, "not a key\n", { mode: 0o600 });
    expect(codeOf(() => readSeedFile(path))).toMatch(/^malformed: /);
    expect(codeOf(() => readSeedFile(join(folder, "none.seed")))).toMatch(/^missing: /);
  });

  test("a key is made once and kept", () => {
    const path = join(folder, "d.seed");
    const first = loadOrCreateSeedFile(path);
    const second = loadOrCreateSeedFile(path);
    expect(first.created).toBe(true);
    expect(second).toEqual({ seed: first.seed, created: false });
  });
});
