// The last line of the gate, from the counts the runners wrote themselves. A runner that wrote nothing counts as failed.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const cache = join(import.meta.dirname, "..", ".cache");
let passed = 0;
let failed = 0;
let skipped = 0;

const tests = read("test-results.json");
if (tests) {
  passed += tests["numPassedTests"] ?? 0;
  // A file that cannot even load has no tests to count, so its failure is counted as one.
  failed += Math.max(tests["numFailedTests"] ?? 0, tests["numFailedTestSuites"] ?? 0);
  skipped += tests["numPendingTests"] ?? 0;
} else failed += 1;

const checks = read("check-results.json");
if (checks) {
  passed += checks["passed"] ?? 0;
  failed += checks["failed"] ?? 0;
} else failed += 1;

process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

function read(name: string): Record<string, number> | undefined {
  try {
    return JSON.parse(readFileSync(join(cache, name), "utf8"));
  } catch {
    return undefined;
  }
}
