// npm test: every test, against real processes. Arguments go to vitest: `npm test -- packages/result`.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findNatsServer } from "@trellis/nats";

const root = join(import.meta.dirname, "..");
const results = join(root, ".cache", "test-results.json");
const long = process.argv.includes("--long");
const rest = process.argv.slice(2).filter((argument) => argument !== "--long");

mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(results, { force: true });

const server = await findNatsServer({ onProgress: (text) => process.stderr.write(`${text}\n`) });
const run = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${results}`,
    ...rest,
  ],
  {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, TRELLIS_NATS_SERVER: server.path, ...(long ? { TRELLIS_LONG: "1" } : {}) },
  },
);
process.exitCode = run.status ?? 1;
