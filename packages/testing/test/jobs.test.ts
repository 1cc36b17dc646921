import { setTimeout as wait } from "node:timers/promises";
import { err, ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { JobEnded } from "@trellis/jobs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
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
    await using service = await connect();
    service.handle.job.steady(({ payload, job }) => {
      job.progress({ percent: 50 });
      job.log("half way");
      return ok({ n: payload.n * 2, worker: job.id });
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 21 }).orThrow();
    expect(await job.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 42, worker: job.id });
    expect(await job.state().orThrow()).toBe("completed");
  });

  it("wait for a worker, and are refused when they are not what the contract says", async () => {
    await using creator = await connect();
    const job = await creator.jobs.steady.create({ n: 1 }).orThrow();
    // @ts-expect-error the payload has no such member
    const refused = await creator.jobs.steady.create({ m: 1 });
    expect(refused.ok).toBe(false);
    expect(await job.state().orThrow()).toBe("pending");
    const early = await job.wait({ timeoutMs: 50 });
    expect(!early.ok && early.error).toMatchObject({ code: "timeout" });
    await using worker = await connect();
    worker.handle.job.steady(({ payload }) => ok({ n: payload.n, worker: "late" }));
    await worker.start();
    expect(await job.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 1, worker: "late" });
  });

  it("are one job for one key, however often and wherever they are created", async () => {
    await using one = await connect();
    await using two = await connect();
    let runs = 0;
    one.handle.job.steady(({ payload }) => {
      runs += 1;
      return ok({ n: payload.n, worker: "one" });
    });
    await one.start();
    const refs = await Promise.all(
      [one, two, one, two].map((service, n) => service.jobs.steady.create({ n }, { key: "order 7" }).orThrow()),
    );
    expect(new Set(refs.map(({ id }) => id)).size).toBe(1);
    expect(refs.filter(({ created }) => created)).toHaveLength(1);
    const results = await Promise.all(refs.map((ref) => ref.wait({ timeoutMs: 5_000 }).orThrow()));
    expect(new Set(results.map(({ n }) => n)).size).toBe(1);
    expect(runs).toBe(1);
  });

  it("are tried again with the declared pauses, whether the handler throws or answers an error, and then are dead", async () => {
    await using service = await connect();
    const at: number[] = [];
    service.handle.job.steady(({ payload, job }) => {
      at.push(performance.now());
      if (payload.n === 1 && job.attempt === 3) return ok({ n: 1, worker: "third" });
      if (job.attempt === 1) throw new TypeError("no route to host");
      return err(new Error("still no route"));
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 1 }).orThrow();
    expect(await job.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 1, worker: "third" });
    const [first = 0, second = 0, third = 0] = at;
    expect(second - first).toBeGreaterThanOrEqual(95);
    expect(third - second).toBeGreaterThanOrEqual(195);
    expect(at).toHaveLength(3);

    const lost = await service.jobs.steady.create({ n: 2 }).orThrow();
    const outcome = await lost.wait({ timeoutMs: 5_000 });
    expect(!outcome.ok && outcome.error).toMatchObject({
      state: "dead",
      problem: { type: "Error", message: "still no route" },
    });
    expect(at).toHaveLength(6);
  });

  it("fail without a further try when the handler gives them up, without a dead letter where the contract wants none", async () => {
    await using service = await connect();
    let runs = 0;
    service.handle.job.steady(({ job }) => {
      runs += 1;
      try {
        job.fail("no such address");
      } catch {
        // A handler that catches too much has given up all the same.
      }
      return ok({ n: 0, worker: "" });
    });
    service.handle.job.plain(() => {
      throw new Error("never works");
    });
    await service.start();
    const given = await (await service.jobs.steady.create({ n: 1 }).orThrow()).wait({ timeoutMs: 5_000 });
    expect(!given.ok && given.error).toBeInstanceOf(JobEnded);
    expect(!given.ok && given.error).toMatchObject({ state: "failed", problem: { message: "no such address" } });
    expect(runs).toBe(1);
    const plain = await (await service.jobs.plain.create({ n: 1 }).orThrow()).wait({ timeoutMs: 5_000 });
    expect(!plain.ok && plain.error).toMatchObject({ state: "failed", problem: { message: "never works" } });
  });

  it("are claimed ahead of quick handlers, and go to another worker when those become slow", async () => {
    await using one = await connect();
    let running = 0;
    let most = 0;
    const release = Promise.withResolvers<void>();
    one.handle.job.plain(async ({ payload }) => {
      running += 1;
      most = Math.max(most, running);
      if (payload.n >= 100) await release.promise;
      running -= 1;
    });
    await one.start();
    const quick = await one.jobs.plain.createMany(Array.from({ length: 60 }, (_, n) => ({ n }))).orThrow();
    await quick.wait({ timeoutMs: 10_000 }).orThrow();
    const slow = await one.jobs.plain.createMany([100, 101, 102, 103].map((n) => ({ n }))).orThrow();
    await eventually("both places are taken", () => running === 2);
    await using two = await connect();
    const moved: string[] = [];
    two.handle.job.plain(({ job }) => void moved.push(`${job.id} ${job.attempt}`));
    await two.start();
    await eventually("the others are with the other worker", () => moved.length === 2);
    const ids = slow.jobs.map(({ id }) => id);
    expect(moved.every((each) => ids.some((id) => each === `${id} 1`))).toBe(true);
    release.resolve();
    await slow.wait({ timeoutMs: 10_000 }).orThrow();
    expect(most).toBe(2);
  });

  it("are kept by a handler that runs longer than the acknowledgement wait", async () => {
    await using service = await connect();
    await using other = await connect();
    let runs = 0;
    for (const each of [service, other]) {
      each.handle.job.steady(async ({ payload }) => {
        runs += 1;
        await wait(4_000);
        return ok({ n: payload.n, worker: "slow" });
      });
      await each.start();
    }
    const job = await service.jobs.steady.create({ n: 5 }).orThrow();
    expect(await job.wait({ timeoutMs: 10_000 }).orThrow()).toEqual({ n: 5, worker: "slow" });
    expect(runs).toBe(1);
  }, 20_000);

  it("expire at their deadline, running or not, and the handler hears of it", async () => {
    await using service = await connect();
    const heard: string[] = [];
    service.handle.job.steady(async ({ payload, signal }) => {
      await wait(5_000, undefined, { signal }).catch(() => heard.push(String(signal.reason)));
      return ok({ n: payload.n, worker: "too late" });
    });
    const waiting = await service.jobs.steady.create({ n: 1 }, { deadlineMs: 100 }).orThrow();
    await wait(150);
    await service.start();
    const never = await waiting.wait({ timeoutMs: 5_000 });
    expect(!never.ok && never.error).toMatchObject({ state: "expired" });
    const running = await service.jobs.steady.create({ n: 2 }, { deadlineMs: 400 }).orThrow();
    const outcome = await running.wait({ timeoutMs: 3_000 });
    expect(!outcome.ok && outcome.error).toMatchObject({ state: "expired" });
    await eventually("the handler heard", () => heard.length === 1);
    expect(heard[0]).toContain("deadline");
    expect(await running.state().orThrow()).toBe("expired");
  });

  it("are cancelled while they wait and while another replica runs them; an ended one is not", async () => {
    await using worker = await connect();
    await using other = await connect();
    const began: number[] = [];
    const aborted: number[] = [];
    const pending = await other.jobs.steady.create({ n: 1 }).orThrow();
    await pending.cancel("not needed").orThrow();
    worker.handle.job.steady(async ({ payload, signal }) => {
      began.push(payload.n);
      if (payload.n < 3) await wait(10_000, undefined, { signal }).catch(() => aborted.push(payload.n));
      return ok({ n: payload.n, worker: "w" });
    });
    await worker.start();
    const ended = await pending.wait({ timeoutMs: 3_000 });
    expect(!ended.ok && ended.error).toMatchObject({
      state: "cancelled",
      message: expect.stringContaining("not needed"),
    });
    const running = await other.jobs.steady.create({ n: 2 }).orThrow();
    await eventually("it runs", () => began.includes(2));
    await running.cancel().orThrow();
    await eventually("the handler stops", () => aborted.includes(2));
    expect(await running.state().orThrow()).toBe("cancelled");
    const done = await other.jobs.steady.create({ n: 3 }).orThrow();
    await done.wait({ timeoutMs: 5_000 }).orThrow();
    const late = await done.cancel();
    expect(!late.ok && late.error).toMatchObject({ name: "JobNotCancelled", state: "completed" });
    expect(began).toEqual([2, 3]);
  });

  it("have one end when they are cancelled at the moment they complete", async () => {
    await using worker = await connect();
    worker.handle.job.steady(async ({ payload }) => {
      await wait(payload.ms ?? 0);
      return ok({ n: payload.n, worker: "w" });
    });
    await worker.start();
    const seen = { completed: 0, cancelled: 0 };
    await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const job = await worker.jobs.steady.create({ n, ms: n % 7 }).orThrow();
        await wait((n * 3) % 11);
        const cancelled = await job.cancel();
        const outcome = await job.wait({ timeoutMs: 5_000 });
        expect(outcome.ok).toBe(!cancelled.ok);
        seen[outcome.ok ? "completed" : "cancelled"] += 1;
      }),
    );
    expect(seen.cancelled).toBeGreaterThan(0);
    expect(seen.completed + seen.cancelled).toBe(60);
  });

  it("are given back by a service that stops, without losing an attempt", async () => {
    const worker = await platform.connectService(works, { log: SILENT_LOG, limits: { drainMs: 200 } });
    const attempts: number[] = [];
    let began = 0;
    worker.handle.job.steady(async ({ signal }) => {
      began += 1;
      await wait(60_000, undefined, { signal });
      return ok({ n: 0, worker: "first" });
    });
    await worker.start();
    const job = await worker.jobs.steady.create({ n: 1 }).orThrow();
    await eventually("it runs", () => began === 1);
    await using next = await connect();
    next.handle.job.steady(({ payload, job: running }) => {
      attempts.push(running.attempt);
      return ok({ n: payload.n, worker: "second" });
    });
    await next.start();
    await worker.stop();
    expect(await next.jobs.steady.ref(job.id).wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 1, worker: "second" });
    expect(attempts).toEqual([1]);
  }, 60_000);

  it("with a payload this service does not understand fail at once, with the reason", async () => {
    await using service = await connect();
    let runs = 0;
    service.handle.job.steady(() => {
      runs += 1;
      return ok({ n: 0, worker: "" });
    });
    await service.start();
    const id = "poison_1";
    await using data = await connectData(platform);
    await data.request(
      `trellis.jobs.works.steady.${id}.created`,
      JSON.stringify({ id, context: { requestId: id }, payload: { n: "seven" } }),
    );
    const outcome = await service.jobs.steady.ref(id).wait({ timeoutMs: 5_000 });
    expect(!outcome.ok && outcome.error).toMatchObject({ state: "failed", message: expect.stringContaining("/n") });
    expect(runs).toBe(0);
  });
});
