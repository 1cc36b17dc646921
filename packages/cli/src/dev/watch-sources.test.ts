import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchSources } from "./watch-sources.ts";

let folder: string;
let watching: Disposable;
let changed: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trellis-watch-"));
  changed = [];
  write("contract.ts");
  write("lib/old.ts");
  watching = watchSources(folder, (file) => changed.push(file));
});
afterEach(() => {
  watching[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function write(file: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), "export {};\n");
}

/** As editors save: another file takes the name. */
function replace(file: string): void {
  write(`${file}.new`);
  renameSync(join(folder, `${file}.new`), join(folder, file));
}

async function noticed(file: string): Promise<void> {
  await expect.poll(() => changed).toEqual([file]);
  changed = [];
}

test("a file that is written, and one that is replaced, each time", async () => {
  for (const change of [write, replace, replace, write, replace]) {
    change("contract.ts");
    await noticed("contract.ts");
  }
  replace("lib/old.ts");
  await noticed(join("lib", "old.ts"));
});

test("what is in a folder that was not there, and in one that was made anew", async () => {
  write("lib/deep/new.ts");
  await noticed(join("lib", "deep", "new.ts"));
  replace("lib/deep/new.ts");
  await noticed(join("lib", "deep", "new.ts"));
  rmSync(join(folder, "lib"), { recursive: true });
  await expect.poll(() => changed.length).toBeGreaterThan(0);
  changed = [];
  write("lib/again.ts");
  await noticed(join("lib", "again.ts"));
  replace("lib/again.ts");
  await noticed(join("lib", "again.ts"));
});

test("nothing of what is no source of the service", async () => {
  for (const file of ["notes.md", "node_modules/a/index.js", ".trellis/local.json", "lib/dist/out.js"]) write(file);
  await pause(400);
  expect(changed).toEqual([]);
});
