// The example as people run it: each program a process of its own, killed where it hurts.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

describe("examples/ticketing", () => {
  let platform: TestPlatform;
  let scratch: string;
  beforeAll(async () => {
    platform = await startPlatform();
    scratch = await mkdtemp(join(tmpdir(), "trellis-ticketing-"));
  });
  afterAll(async () => {
    await platform.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  it("counts every seat once, although both programs are killed", async () => {
    const env = { BOX_OFFICE_DB: join(scratch, "box-office.db"), REVENUE_DB: join(scratch, "revenue.db") };
    await using boxOffice = run(platform, "box-office.ts", env);
    await boxOffice.said("Serving.");
    await using revenue = run(platform, "revenue.ts", env);
    await revenue.said("Serving.");
    await using sell = run(platform, "sell.ts", env);
    expect(await sell.exit).toBe(0);
    await boxOffice.kill();
    await revenue.said("more seats");
    await revenue.kill();

    await using boxOfficeAgain = run(platform, "box-office.ts", env);
    await boxOfficeAgain.said("Serving.");
    await using revenueAgain = run(platform, "revenue.ts", env);
    await revenueAgain.said("Serving.");
    await using sellAgain = run(platform, "sell.ts", env);
    expect(await sellAgain.exit).toBe(0);
    const db = new DatabaseSync(env.REVENUE_DB, { readOnly: true, timeout: 10_000 });
    const sold = () => Number(db.prepare("SELECT sold FROM seats WHERE show = 'hamlet'").get()?.["sold"]);
    for (const until = performance.now() + WAIT_MS; sold() < 12 && performance.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sold()).toBe(12);
    db.close();
  }, 600_000);
});

const WAIT_MS = 120_000;

/** Finds the platform the way a program on a laptop does: by the `.trellis` folder above its working directory. */
function run(platform: TestPlatform, file: string, more: { readonly [name: string]: string }) {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRELLIS_")));
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    cwd: dirname(platform.local.directory),
    env: { ...own, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const exit = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  const kill = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGKILL");
    await exit;
  };
  return {
    exit,
    kill,
    async said(words: string) {
      for (const until = performance.now() + WAIT_MS; !text.includes(words);) {
        if (child.exitCode !== null || performance.now() > until)
          throw new Error(`${file} never said "${words}". It said:\n${text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    [Symbol.asyncDispose]: kill,
  };
}
