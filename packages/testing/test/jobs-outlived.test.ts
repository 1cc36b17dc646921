import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createNodeSessionKey } from "@trellis/auth/node";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { endsOf, storedRecords } from "./jobs/stored-jobs.ts";
import { provisionJobWorker, spawnJobWorker } from "./jobs/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";

describe("handlers that outlive their lease", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  /** The attempts whose ends are stored of a job. */
  async function endsStored(id: string): Promise<readonly unknown[]> {
    await using data = await connectData(platform);
    return (endsOf(await storedRecords(data)).get(id) ?? []).map(({ event, body }) => [event, body.attempt]);
  }

  it("because they let nothing else run: another worker does the job, and what the first one says is too late", async () => {
    const runsFile = join(platform.local.directory, "runs.txt");
    writeFileSync(runsFile, "");
    const lines = (): readonly string[] => readFileSync(runsFile, "utf8").split("\n");
    await using first = await spawnJobWorker(platform, runsFile, await provisionJobWorker(platform));
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    // Far longer than the acknowledgement wait, and than the other worker needs to begin on a busy machine.
    const job = await creator.jobs.tough.create({ n: 1, ms: 12_000, text: "blocks" }).orThrow();
    await eventually("it runs", () => lines().includes(`${job.id} 1 began ${first.pid}`));
    await using second = await spawnJobWorker(platform, runsFile, await provisionJobWorker(platform));
    const result = await job.wait({ timeoutMs: 30_000 }).orThrow();
    expect(result.worker).toBe(`${second.pid}/2`);
    expect(lines()).not.toContain(`${job.id} 1 ended ${first.pid}`);
    await eventually("the first comes to its end", () => lines().includes(`${job.id} 1 ended ${first.pid}`));
    // It is a worker like before.
    await eventually("the first does its share", async () => {
      const after = await creator.jobs.tough
        .createMany(Array.from({ length: 40 }, (_, n) => ({ n, ms: 100 })))
        .orThrow();
      await after.wait({ timeoutMs: 30_000 }).orThrow();
      return after.jobs.some(({ id }) => lines().includes(`${id} 1 ended ${first.pid}`));
    });
    expect(await endsStored(job.id)).toEqual([["completed", 2]]);
    expect(await job.wait({ timeoutMs: 1_000 }).orThrow()).toEqual(result);
  }, 120_000);

  it("because they are cut off: another worker does the job, and the first one is told when it is back", async () => {
    const key = createNodeSessionKey();
    const away = await platform.connectService(works, { log: SILENT_LOG, key });
    const other = await platform.connectService(works, { log: SILENT_LOG });
    const aborted = Promise.withResolvers<unknown>();
    const mayEnd = Promise.withResolvers<void>();
    away.handle.job.steady(async ({ payload, signal }) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      await mayEnd.promise;
      return ok({ n: payload.n, worker: "away" });
    });
    other.handle.job.steady(({ payload }) => ok({ n: payload.n, worker: "other" }));
    for (const queue of ["plain", "tough", "shared"] as const)
      for (const service of [away, other]) service.handle.job[queue](() => ok({ n: 0, worker: "nobody" }));
    await away.start();
    const setInstance = (enabled: boolean) =>
      platform.admin.rpc.auth.instancesUpdate({ sessionKey: key.publicKey, enabled }).orThrow();

    const job = await other.jobs.steady.create({ n: 1 }).orThrow();
    await eventually("it runs", async () => (await job.state().orThrow()) === "active");
    await setInstance(false);
    await eventually("it is cut off", () => away.connection.state === "reconnecting");
    await other.start();
    const result = await job.wait({ timeoutMs: 30_000 }).orThrow();
    expect(result).toEqual({ n: 1, worker: "other" });
    await setInstance(true);
    expect(await aborted.promise).toMatchObject({ name: "AbortError" });
    mayEnd.resolve();
    // It takes part again.
    await other.stop();
    const again = await away.jobs.steady.create({ n: 2 }).orThrow();
    expect(await again.wait({ timeoutMs: 30_000 }).orThrow()).toEqual({ n: 2, worker: "away" });
    expect(await endsStored(job.id)).toEqual([["completed", 2]]);
    await away.stop();
  }, 120_000);
});
