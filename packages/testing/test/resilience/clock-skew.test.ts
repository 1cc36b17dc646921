import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { Program } from "../../src/program.ts";
import { QUIET } from "./kit/quiet.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

const SHIFT_CLOCK = fileURLToPath(new URL("./kit/shift-clock.ts", import.meta.url));
const CALLER = new URL("./caller-process.ts", import.meta.url);
const TEN_MINUTES = 600_000;

describe("a clock that is ten minutes off", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it.each([TEN_MINUTES, -TEN_MINUTES])("on a caller (%i ms): it logs in, connects and calls", async (shiftMs) => {
    await using worker = await spawnWorker(platform);
    await using caller = new Program(CALLER, {
      env: {
        TRELLIS_URL: platform.url,
        TRELLIS_USER_KEY_FILE: platform.local.developer.keyFile,
        CLOCK_SHIFT_MS: String(shiftMs),
      },
      preload: [SHIFT_CLOCK],
    });
    const [line] = await caller.said(/^\{.*\}$/m);
    const said: unknown = JSON.parse(line);
    expect(said).toMatchObject({ ok: [true, true] });
    // The clock of that process really was off, to within the time this took.
    expect(said).toHaveProperty("off", expect.closeTo(shiftMs, -4));
    expect(worker.running).toBe(true);
  });

  it.each([TEN_MINUTES, -TEN_MINUTES])(
    "on a service (%i ms): it connects and believes its callers",
    async (shiftMs) => {
      await using worker = await spawnWorker(platform, {
        preload: [SHIFT_CLOCK],
        env: { CLOCK_SHIFT_MS: String(shiftMs) },
      });
      const client = await platform.connectClient(boss, QUIET);
      expect(await client.rpc.work.do({ n: 1 }).orThrow()).toEqual({ n: 1, pid: worker.pid });
    },
  );
});
