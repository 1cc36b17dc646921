// The last line of the gate, from the counts the runners wrote themselves. A runner that wrote nothing counts as failed.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const cache = join(import.meta.dirname, "..", ".cache");
let passed = 0;
let failed = 0;
let skipped = 0;

const tests = read<TestResults>("test-results.json");
if (tests) {
  passed += tests.numPassedTests;
  // A file that cannot even load has no tests to count, so its failure is counted as one.
  const unread = tests.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((each) => each.status !== "failed"),
  );
  failed += tests.numFailedTests + unread.length;
  skipped += tests.numPendingTests;
} else failed += 1;

const checks = read<CheckResults>("check-results.json");
if (checks) {
  passed += checks.passed;
  failed += checks.failed;
} else failed += 1;

process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

/** What vitest writes, as far as it counts here. */
interface TestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

interface CheckResults {
  readonly passed: number;
  readonly failed: number;
}

function read<T>(name: string): T | undefined {
  try {
    return JSON.parse(readFileSync(join(cache, name), "utf8"));
  } catch {
    return undefined;
  }
}
