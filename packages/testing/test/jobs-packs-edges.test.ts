import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { endsOf, storedRecords, workLeft } from "./jobs/stored-jobs.ts";
import { warmUp } from "./jobs/warm-up.ts";
import { eventually } from "./resilience/kit/eventually.ts";

describe("jobs of a pack", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  /** A service whose worker knows that its handler is quick: what is created together now is claimed together. */
  async function quickService(handler: Parameters<Awaited<ReturnType<typeof connect>>["handle"]["job"]["steady"]>[0]) {
    const service = await connect();
    service.handle.job.steady((context) =>
      context.payload.text === "warm up" ? ok({ n: 0, worker: "" }) : handler(context),
    );
    await service.start();
    await warmUp(service.jobs.steady, { n: 0, text: "warm up" });
    return service;
  }
  const connect = () => platform.connectService(works, { log: SILENT_LOG, limits: { drainMs: 300 } });
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

  it("are waited for although they wrote notes", async () => {
    await using service = await quickService(({ payload, job }) => {
      job.log(`at ${payload.n}`);
      job.progress(payload.n);
      return ok({ n: payload.n, worker: job.id });
    });
    const { jobs } = await service.jobs.steady.createMany(numbers(5)).orThrow();
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 8_000 }).orThrow()));
    expect(results.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
    expect(await Promise.all(jobs.map((job) => job.state().orThrow()))).toEqual(jobs.map(() => "completed"));
  });

  it("end once when a deadline passes while their end is on its way", async () => {
    let until = 0;
    await using service = await quickService(async ({ payload, job }) => {
      await wait(Math.max(0, until - Date.now() - 20));
      while (performance.timeOrigin + performance.now() < until - 0.4);
      return ok({ n: payload.n, worker: job.id });
    });
    until = Date.now() + 300;
    const { jobs } = await service.jobs.steady
      .createMany(numbers(6), () => ({ deadlineMs: Math.max(0, until - Date.now()) }))
      .orThrow();
    await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 8_000 })));
    await wait(200);
    await using data = await connectData(platform);
    const ends = endsOf(await storedRecords(data));
    expect(jobs.map(({ id }) => ends.get(id)?.map(({ event }) => event))).toEqual(jobs.map(() => [expect.any(String)]));
    await eventually("no work is left", async () => (await workLeft(data)) === 0);
  });

  it("say what was asked for, whatever becomes of the payload afterwards", async () => {
    await using service = await quickService(({ payload, job }) => ok({ n: payload.n, worker: job.id }));
    const task = { n: 0 };
    const creating = [];
    for (task.n = 0; task.n < 5; task.n += 1) creating.push(service.jobs.steady.create(task).orThrow());
    const jobs = await Promise.all(creating);
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 8_000 }).orThrow()));
    expect(results.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
  });

  it("are handed to another one by one when their worker stops, before it is gone", async () => {
    const begun: number[] = [];
    const stopping = await quickService(async ({ payload, signal }) => {
      begun.push(payload.n);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const { jobs } = await stopping.jobs.steady.createMany(numbers(20)).orThrow();
    await eventually("as many run as may", () => begun.length === 8);
    const stoppedAt = performance.now();
    await stopping.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(4_000);
    expect(begun).toHaveLength(8);
    await using data = await connectData(platform);
    expect(await workLeft(data)).toBe(20);
    const attempts: number[] = [];
    await using other = await connect();
    other.handle.job.steady(({ payload, job }) => {
      attempts.push(job.attempt);
      return ok({ n: payload.n, worker: job.id });
    });
    await other.start();
    const refs = jobs.map(({ id }) => other.jobs.steady.ref(id));
    await Promise.all(refs.map((job) => job.wait({ timeoutMs: 8_000 }).orThrow()));
    expect(attempts).toEqual(jobs.map(() => 1));
    expect(await workLeft(data)).toBe(0);
  });

  it("are not claimed to wait in vain when many packs come at once", async () => {
    await using service = await quickService(async ({ payload, job }) => {
      await wait(5);
      return ok({ n: payload.n, worker: job.id });
    });
    const batch = await service.jobs.steady.createMany(numbers(2_500)).orThrow();
    expect((await batch.wait({ timeoutMs: 20_000 }).orThrow()).every((outcome) => outcome.ok)).toBe(true);
    await using data = await connectData(platform);
    const ids = new Set(batch.jobs.map(({ id }) => id));
    const givenBack = (await storedRecords(data)).filter(({ event, body }) => event === "retry" && ids.has(body.id));
    expect(givenBack).toHaveLength(0);
  });
});
