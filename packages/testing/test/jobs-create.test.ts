import { setTimeout as wait } from "node:timers/promises";
import { BatchIncomplete, JobNotUnique } from "@trellis/jobs";
import { ValidationError } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
import { limited } from "./jobs/limited.ts";
import { endsOf, storedRecords } from "./jobs/stored-jobs.ts";
import { eventually } from "./resilience/kit/eventually.ts";

async function connect(platform: TestPlatform) {
  const service = await platform.connectService(limited, { log: SILENT_LOG });
  const begun = new Map<number, number>();
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  service.handle.job.free(async ({ payload: { n } }) => {
    begun.set(n, Date.now());
    await gate.promise;
    return ok({ n, at: Date.now() });
  });
  await service.start();
  return {
    service,
    begun,
    close: () => (gate = Promise.withResolvers<void>()),
    open: () => gate.resolve(),
  };
}

describe("creating jobs", () => {
  let platform: TestPlatform;
  let at: Awaited<ReturnType<typeof connect>>;
  beforeAll(async () => {
    platform = await startPlatform();
    at = await connect(platform);
  });
  afterAll(() => platform.stop());

  it("begin no job before its time, also when the server was killed meanwhile", async () => {
    const { free } = at.service.jobs;
    const from = Date.now();
    const late = await free.create({ n: 1 }, { delayMs: 3_000 }).orThrow();
    const dated = await free.create({ n: 2 }, { runAt: new Date(from + 2_500) }).orThrow();
    const atOnce = await free.create({ n: 3 }).orThrow();
    await atOnce.wait({ timeoutMs: 20_000 }).orThrow();
    const [node] = platform.local.nats.nodes;
    await node?.kill("SIGKILL");
    await node?.restart();
    expect((await late.wait({ timeoutMs: 30_000 }).orThrow()).at).toBeGreaterThanOrEqual(from + 3_000);
    expect((await dated.wait({ timeoutMs: 30_000 }).orThrow()).at).toBeGreaterThanOrEqual(from + 2_500);
  }, 60_000);

  it("never run a delayed job that was cancelled, and count its deadline from when it could begin", async () => {
    const { free } = at.service.jobs;
    const cancelled = await free.create({ n: 10 }, { delayMs: 1_500 }).orThrow();
    const dated = await free.create({ n: 11 }, { delayMs: 1_500, deadlineMs: 20_000 }).orThrow();
    await cancelled.cancel("not needed").orThrow();
    await dated.wait({ timeoutMs: 30_000 }).orThrow();
    await wait(500);
    expect(at.begun.has(10)).toBe(false);
    expect(await cancelled.state().orThrow()).toBe("cancelled");
  }, 40_000);

  it("make one open job of a unique key, whichever of many creators is first", async () => {
    const { free } = at.service.jobs;
    at.close();
    const unique = { key: "import of customer 7" };
    const refs = await Promise.all(Array.from({ length: 12 }, () => free.create({ n: 20 }, { unique }).orThrow()));
    expect(new Set(refs.map(({ id }) => id)).size).toBe(1);
    expect(refs.filter(({ created }) => created)).toHaveLength(1);
    const refused = await free.create({ n: 21 }, { unique: { ...unique, whenTaken: "reject" } });
    expect(!refused.ok && refused.error).toBeInstanceOf(JobNotUnique);
    at.open();
    await refs[0]?.wait({ timeoutMs: 20_000 }).orThrow();
    // The key is free again: nobody had to say so.
    const next = await free.create({ n: 22 }, { unique: { ...unique, whenTaken: "reject" } }).orThrow();
    expect(next.created).toBe(true);
    expect((await next.wait({ timeoutMs: 20_000 }).orThrow()).n).toBe(22);
  }, 60_000);

  it("replace the open job of a unique key: the last one wins, and only one is left", async () => {
    const { free } = at.service.jobs;
    at.close();
    const unique = { key: "newest only", whenTaken: "replace" as const };
    const refs = await Promise.all([30, 31, 32, 33].map((n) => free.create({ n }, { unique }).orThrow()));
    const ends = await eventually("three are cancelled", async () => {
      const states = await Promise.all(refs.map((ref) => ref.state().orThrow()));
      return states.filter((state) => state === "cancelled").length === 3 ? states : undefined;
    });
    expect(ends).toHaveLength(4);
    at.open();
    const outcomes = await Promise.all(refs.map((ref) => ref.wait({ timeoutMs: 20_000 })));
    expect(outcomes.filter(({ ok: done }) => done)).toHaveLength(1);
  }, 60_000);

  it("create many at once, and wait for all of them", async () => {
    const { free } = at.service.jobs;
    const batch = await free
      .createMany(
        Array.from({ length: 300 }, (_, n) => ({ n })),
        ({ n }) => ({ key: `batch ${n}` }),
      )
      .orThrow();
    const results = await batch.wait({ timeoutMs: 60_000 }).orThrow();
    expect(results.map((result) => result.ok && result.value.n)).toEqual(Array.from({ length: 300 }, (_, n) => n));
    await using data = await connectData(platform);
    const ends = endsOf(await storedRecords(data));
    for (const { id } of batch.jobs) expect(ends.get(id)?.map(({ event }) => event)).toEqual(["completed"]);
  }, 90_000);

  it("create none of a batch with a payload that does not match, and say which", async () => {
    // @ts-expect-error a text is no number, which the types say too
    const refused = await at.service.jobs.free.createMany([{ n: 1_000 }, { n: "two" }]);
    expect(!refused.ok && refused.error).toBeInstanceOf(ValidationError);
    expect(!refused.ok && refused.error).not.toBeInstanceOf(BatchIncomplete);
    expect(!refused.ok && refused.error.message).toContain("/1/n");
    await wait(300);
    expect(at.begun.has(1_000)).toBe(false);
  });

  it("refuse options the queue cannot honour", () => {
    const { free } = at.service.jobs;
    expect(() => free.create({ n: 1 }, { priority: "high" })).toThrow(/priorities: true/);
    expect(() => free.create({ n: 1 }, { group: "a" })).toThrow(/perGroup/);
    expect(() => free.create({ n: 1 }, { key: "a", unique: { key: "a" } })).toThrow(/Keep `key`/);
    expect(() => free.create({ n: 1 }, { delayMs: -1 })).toThrow(/zero or more/);
  });
});
