// npm run bench -- [rpc | connect | events | … ] [--json]: measures against the limit and against peers in the same run.
import { printReport, type BenchResult } from "./report.ts";

const benches: Readonly<Record<string, () => Promise<{ run: () => Promise<BenchResult> }>>> = {
  rpc: () => import("./rpc/bench-rpc.ts"),
  connect: () => import("./connect/bench-connect.ts"),
  jobs: () => import("./jobs/bench-jobs.ts"),
  "job-list": () => import("./job-list/bench-job-list.ts"),
  operations: () => import("./operations/bench-operations.ts"),
  start: () => import("./start/bench-start.ts"),
  events: () => import("./events/bench-events.ts"),
  feeds: () => import("./feeds/bench-feeds.ts"),
  kv: () => import("./kv/bench-kv.ts"),
  files: () => import("./files/bench-files.ts"),
  state: () => import("./state/bench-state.ts"),
  memory: () => import("./memory/bench-memory.ts"),
};

const args = process.argv.slice(2);
const json = args.includes("--json");
const names = args.filter((argument) => !argument.startsWith("--"));
const unknown = names.filter((name) => !(name in benches));

if (unknown.length > 0) {
  process.stderr.write(
    `error: there is no benchmark ${unknown.join(", ")}\n  next: choose from ${Object.keys(benches).join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  for (const [name, load] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const { run } = await load();
    const result = await run();
    printReport(result, json);
    if (result.missed.length > 0) process.exitCode = 1;
  }
}
