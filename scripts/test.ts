// npm test: every test, against real processes. Arguments go to vitest: `npm test -- packages/result`.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findNatsServer } from "@trellis/nats";
import { findPostgres } from "./find-postgres.ts";

const root = join(import.meta.dirname, "..");
const results = join(root, ".cache", "test-results.json");
const long = process.argv.includes("--long");
const rest = process.argv.slice(2).filter((argument) => argument !== "--long");

mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(results, { force: true });

const server = await findNatsServer({ onProgress: (text) => process.stderr.write(`${text}\n`) });
const postgres = findPostgres();
if (postgres === undefined) {
  const missing =
    "PostgreSQL is not installed, so its tests are skipped; scripts/install-postgres.sh installs it on Debian.";
  process.stderr.write(`${missing}\n`);
  if (process.env["TRELLIS_NEED_POSTGRES"] === "1") process.exit(1);
}
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
    env: {
      ...process.env,
      TRELLIS_NATS_SERVER: server.path,
      ...(postgres === undefined ? {} : { TRELLIS_POSTGRES_BIN: postgres }),
      ...(long ? { TRELLIS_LONG: "1" } : {}),
    },
  },
);
process.exitCode = run.status ?? 1;
