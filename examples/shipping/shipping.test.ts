// The example as people run it: each program a process of its own, from this folder's files.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

describe("examples/shipping", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("hears an order live, ships it, and says so", async () => {
    // The shop has to have been there once, so that its contract is known to those who use it.
    await using first = run(platform, "shop.ts");
    expect(await first.exit).toBe(0);
    await using service = run(platform, "main.ts");
    await service.said("Serving.");
    await using watch = run(platform, "watch.ts");
    await watch.said("listening");
    await using shop = run(platform, "shop.ts");
    expect(await shop.exit).toBe(0);
    expect(shop.written()).toContain("stored as event");
    await service.said("parcel for o_1 to 12 Bicycle Lane");
    expect(await watch.exit).toBe(0);
    expect(watch.written()).toContain("o_1 to 12 Bicycle Lane");
  });
});

const WAIT_MS = 30_000;

/** Finds the platform the way a program on a laptop does: by the `.trellis` folder above its working directory. */
function run(platform: TestPlatform, file: string) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRELLIS_")));
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    cwd: dirname(platform.local.directory),
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const exit = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  return {
    exit,
    written: () => text,
    async said(words: string) {
      for (const until = performance.now() + WAIT_MS; !text.includes(words);) {
        if (child.exitCode !== null || performance.now() > until)
          throw new Error(`${file} never said "${words}". It said:\n${text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGKILL");
      await exit;
    },
  };
}
