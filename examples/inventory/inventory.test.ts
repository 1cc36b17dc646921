// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

const WAIT_MS = 20_000;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

it("sells what is there once, through two replicas, and keeps it over a restart of both", async () => {
  {
    await using one = run("main.ts");
    await one.said("Serving.");
    await using two = run("main.ts");
    await two.said("Serving.");
    const caller = run("caller.ts");
    expect(await caller.exit, caller.output()).toBe(0);
    expect(caller.output()).toMatch(
      /^3 of 5 got one\n\{"items":\[\{"sku":"bell-brass","name":"Brass bell","count":0\}\]\}\ntoday.csv has 39 bytes\n/,
    );
    await one.said("Brass bell has run out");
    await two.said("Brass bell has run out");
    for (const service of [one, two]) {
      service.stop();
      expect(await service.exit).toBe(0);
    }
  }
  await using again = run("main.ts");
  await again.said("Serving.");
  const caller = run("caller.ts");
  expect(await caller.exit, caller.output()).toBe(0);
  expect(caller.output()).toContain('"count":0}');
});

interface Program extends AsyncDisposable {
  readonly exit: Promise<number | null>;
  output(): string;
  /** Waits until it has written this. */
  said(words: string): Promise<void>;
  stop(): void;
}

/** Finds the platform the way a program on a laptop does: by the `.trellis` folder above its working directory. */
function run(file: string): Program {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRELLIS_")));
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    cwd: dirname(platform.local.directory),
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => void (written += text));
  const exit = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  return {
    exit,
    output: () => written,
    async said(words) {
      const endsAt = performance.now() + WAIT_MS;
      while (!written.includes(words)) {
        if (child.exitCode !== null || performance.now() > endsAt)
          throw new Error(`${file} never said "${words}". It said:\n${written}`);
        await pause(20);
      }
    },
    stop: () => void child.kill("SIGTERM"),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGKILL");
      await exit;
    },
  };
}
