// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import screen from "./screen.ts";

const WAIT_MS = 20_000;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

it("follows a van, also while the replica it follows it through is replaced", async () => {
  await using first = run("main.ts");
  await first.said("Serving.");
  const reader = run("follow.ts");
  expect(await reader.exit).toBe(0);
  const steps = reader
    .output()
    .split("\n")
    .flatMap((line) => (/^\d+ blue /.test(line) ? [Number.parseInt(line, 10)] : []));
  expect(steps).toEqual(Array.from({ length: 10 }, (_, at) => (steps[0] ?? 0) + at));

  const client = await platform.connectClient(screen);
  const seen: number[] = [];
  let second: Program | undefined;
  try {
    for await (const { step } of client.feed.vans.positions({ van: "red" })) {
      seen.push(step);
      if (seen.length === 5) {
        second = run("main.ts");
        await second.said("Serving.");
        first.stop();
        expect(await first.exit).toBe(0);
      }
      if (seen.length === 20) break;
    }
  } finally {
    await second?.[Symbol.asyncDispose]();
  }
  expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => (seen[0] ?? 0) + at));
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
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => void (output += chunk));
  const exit = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  return {
    exit,
    output: () => output,
    async said(words) {
      const endsAt = performance.now() + WAIT_MS;
      while (!output.includes(words)) {
        if (child.exitCode !== null || performance.now() > endsAt)
          throw new Error(`${file} never said "${words}". It said:\n${output}`);
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
