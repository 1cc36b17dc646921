import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import type { TrellisClient } from "@trellis/client/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Program, startPlatform, type TestPlatform } from "../src/index.ts";
import { boss, fragile } from "./fragile/contract.ts";

const PROCESS = new URL("./fragile/fragile-process.ts", import.meta.url);
const innocent = Array.from({ length: 4 }, (_, n) => `beside it ${n}`);

describe("what kills its process", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof boss>;
  let deaths = 0;
  let replica: Program | undefined;
  let over = false;

  beforeAll(async () => {
    platform = await startPlatform();
    await platform.admin.rpc.auth.deploymentsCreate({ name: "fragile", mode: "mutable-dev" }).orThrow();
    const seedFile = join(platform.local.directory, "fragile.seed");
    const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
    await platform.admin.rpc.auth.instancesProvision({ deployment: "fragile", sessionKey: publicKey }).orThrow();
    const live = (): void => {
      const begun = platform.run(PROCESS, { env: { TRELLIS_URL: platform.url, TRELLIS_SEED_FILE: seedFile } });
      replica = begun;
      void begun.exited.then(() => {
        if (over) return;
        deaths += 1;
        live();
      });
    };
    live();
    caller = await platform.connectClient(boss);
  });
  afterAll(async () => {
    over = true;
    await replica?.kill();
    await platform.stop();
  });

  it("ends as an operation that failed, and what ran beside it is done", async () => {
    deaths = 0;
    const start = (name: string) => caller.operation.fragile.do.start({ name }, { timeoutMs: 30_000 }).orThrow();
    const [deadly, ...others] = await Promise.all([start("deadly"), ...innocent.map(start)]);
    const done = await Promise.all(others.map((each) => each.wait({ timeoutMs: 60_000 }).orThrow()));
    expect(done.map(({ name }) => name)).toEqual(innocent);
    const end = await deadly.wait({ timeoutMs: 60_000 });
    expect(end.ok ? end.value : end.error).toMatchObject({ reason: "attempts_exhausted" });
    expect(deaths).toBe(2);
  }, 120_000);

  it("does not use up the attempts of an operation that gets further each time", async () => {
    deaths = 0;
    const started = await caller.operation.fragile.do.start({ name: "in steps" }, { timeoutMs: 30_000 }).orThrow();
    expect(await started.wait({ timeoutMs: 100_000 }).orThrow()).toEqual({ name: "in steps" });
    expect(deaths).toBe(2);
  }, 120_000);

  // The quick ones come first: that others were slow would be remembered.
  it.each([
    ["were claimed with it", 8],
    ["run beside it", 0],
  ])(
    "ends as a dead job, and the jobs that %s are done",
    async (_, quick) => {
      deaths = 0;
      // It does not serve: only the process does.
      await using creator = await platform.connectService(fragile, { name: "fragile" });
      for (let n = 0; n < quick; n += 1)
        await (await creator.jobs.tasks.create({ name: "quick" }).orThrow()).wait({ timeoutMs: 30_000 }).orThrow();
      const create = (name: string) => creator.jobs.tasks.create({ name }).orThrow();
      const [deadly, ...others] = await Promise.all([create("deadly"), ...innocent.map(create)]);
      const done = await Promise.all(others.map((each) => each.wait({ timeoutMs: 60_000 }).orThrow()));
      expect(done.map(({ name }) => name)).toEqual(innocent);
      const end = await deadly.wait({ timeoutMs: 60_000 });
      expect(end.ok).toBe(false);
      expect(deaths).toBe(2);
    },
    120_000,
  );
});
