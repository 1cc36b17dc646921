// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

describe("examples/orders", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("serves a declared answer and a declared error, and drains when asked to stop", async () => {
    await using service = run(platform, "main.ts");
    await service.said("Serving.");

    const caller = run(platform, "caller.ts");
    expect(await caller.exit).toBe(0);
    expect(await caller.output).toBe('{"id":"o_1","item":"A blue bicycle","status":"placed"}\nNo order o_404\n');

    const careful = run(platform, "careful-caller.ts");
    expect(await careful.exit).toBe(0);
    expect(await careful.output).toBe("No order o_404; is the number right?\n");

    service.stop();
    expect(await service.exit).toBe(0);
  });

  it("introduces itself to a local platform once, and is known the second time", async () => {
    await using first = run(platform, "main.ts");
    await first.said("Serving.");
    first.stop();
    await first.exit;
    await using second = run(platform, "main.ts");
    await second.said("Serving.");
    const { deployments } = await platform.admin.rpc.auth.deploymentsList({}).orThrow();
    expect(deployments.map(({ name, contractId, mode }) => ({ name, contractId, mode }))).toEqual([
      { name: "orders", contractId: "orders@v1", mode: "mutable-dev" },
    ]);
  });
});

interface Program extends AsyncDisposable {
  readonly exit: Promise<number | null>;
  /** What it printed, once it has ended. */
  readonly output: Promise<string>;
  /** Waits until it has written this to its log. */
  said(words: string): Promise<void>;
  stop(): void;
}

const WAIT_MS = 20_000;

/** Finds the platform the way a program on a laptop does: by the `.trellis` folder above its working directory. */
function run(platform: TestPlatform, file: string): Program {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRELLIS_")));
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    cwd: dirname(platform.local.directory),
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => void (log += chunk));
  const exit = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  return {
    exit,
    output: text(child.stdout),
    async said(words) {
      const endsAt = performance.now() + WAIT_MS;
      while (!log.includes(words)) {
        if (child.exitCode !== null || performance.now() > endsAt)
          throw new Error(`${file} never said "${words}". It said:\n${log}`);
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
