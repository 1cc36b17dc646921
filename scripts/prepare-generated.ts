// npm run prepare:generated: writes what is generated from code. `--check` writes nothing and fails where a file differs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generatedDocs } from "./generated-docs.ts";

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");

const stale: string[] = [];
for (const { path, text } of await generatedDocs(root)) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
  stale.push(path);
  if (check) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

if (stale.length > 0) {
  const list = stale.map((path) => `  ${path}\n`).join("");
  if (check) {
    process.stderr.write(
      `These files are not what the code says:\n${list}Write them with: npm run prepare:generated\n`,
    );
    process.exitCode = 1;
  } else process.stdout.write(`Written:\n${list}`);
}
