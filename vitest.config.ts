import { defineConfig } from "vitest/config";

const everyRun = [
  "packages/*/src/**/*.test.ts",
  "packages/*/test/**/*.test.ts",
  "examples/**/*.test.ts",
  "conformance/**/*.test.ts",
  "scripts/**/*.test.ts",
  "docs/**/*.test.ts",
];

/** `TRELLIS_LONG=1` (npm run test:long) runs only what is too long for every run: files named `*.long.test.ts`. */
const long = process.env["TRELLIS_LONG"] === "1";

export default defineConfig({
  test: {
    include: long ? ["packages/*/test/**/*.long.test.ts", "examples/**/*.long.test.ts"] : everyRun,
    exclude: ["**/node_modules/**", "**/dist/**", ...(long ? [] : ["**/*.long.test.ts"])],
    // Real servers share two cores: more files at once would only make each other late.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: long ? 900_000 : 60_000,
    hookTimeout: long ? 120_000 : 60_000,
  },
});
