#!/usr/bin/env node
import { runCli } from "./run-cli.ts";

const stop = new AbortController();
let asked = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    asked += 1;
    stop.abort();
    // Whoever asks three times does not want to wait for a clean end.
    if (asked >= 3) process.exit(130);
  });
}
// `trellis … | head` closes the pipe early; that is no mistake.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await runCli({
  args: process.argv.slice(2),
  cwd: process.cwd(),
  env: process.env,
  signal: stop.signal,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
