import { setTimeout as wait } from "node:timers/promises";
import { err, ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { JobEnded } from "@trellis/jobs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { eventually } from "./resilience/kit/eventually.ts";

describe("jobs of a service", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  const connect = () => platform.connectService(works, { log: SILENT_LOG });

  it("are stored, run, and answered with their result", async () => {
    const service = await connect();
    service.handle.job.steady(({ payload, job }) => {
      job.progress({ percent: 50 });
      job.log("half way");
      return ok({ n: payload.n * 2, worker: job.id });
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 21 }).orThrow();
    expect(await job.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 42, worker: job.id });
    expect(await job.state().orThrow()).toBe("completed");
    await service.stop();
  });
});
void [wait, err, JobEnded, eventually];
