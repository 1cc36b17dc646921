// The example as people run it: each program a process of its own, with nothing prepared.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

function run(file: string) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRELLIS_")));
  return spawn(process.execPath, [join(import.meta.dirname, file)], {
    cwd: dirname(platform.local.directory),
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

it("delivers two letters, one at the second try, and gives up the third at once", async () => {
  const service = run("main.ts");
  try {
    let log = "";
    service.stderr.setEncoding("utf8").on("data", (chunk: string) => void (log += chunk));
    const endsAt = performance.now() + 20_000;
    while (!log.includes("Serving.")) {
      if (performance.now() > endsAt || service.exitCode !== null)
        throw new Error(`The mailer does not serve:\n${log}`);
      await pause(20);
    }
    const printed = await text(run("caller.ts").stdout);
    const ids = [...printed.matchAll(/: job (\S+)/g)].map(([, id]) => id);
    expect(ids).toHaveLength(3);
    const ended = async () => {
      const { jobs } = await platform.admin.rpc.jobs.list({ service: "mailer" }).orThrow();
      return jobs.toReversed().map(({ state, attempt, problem }) => ({ state, attempt, problem: problem?.message }));
    };
    const wanted = [
      { state: "completed", attempt: 1, problem: undefined },
      { state: "completed", attempt: 2, problem: undefined },
      { state: "failed", attempt: 1, problem: '"nobody" is no address' },
    ];
    await expect.poll(ended, { timeout: 10_000 }).toEqual(wanted);
  } finally {
    service.kill("SIGKILL");
  }
});
