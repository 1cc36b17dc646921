import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { eventually } from "./resilience/kit/eventually.ts";

describe("jobs seen and handled by an operator", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  const connect = () => platform.connectService(works, { log: SILENT_LOG });

  it("are listed newest first in pages, filtered, and shown with their history and log", async () => {
    await using service = await connect();
    service.handle.job.steady(({ payload, job }) => {
      job.progress({ done: payload.n });
      job.log(`number ${payload.n}`);
      return ok({ n: payload.n, worker: "w" });
    });
    await service.start();
    const refs = [];
    for (let n = 0; n < 7; n += 1)
      refs.push(await service.jobs.steady.create({ n }, n === 0 ? { key: "first" } : {}).orThrow());
    await Promise.all(refs.map((ref) => ref.wait({ timeoutMs: 5_000 }).orThrow()));
    const { jobs } = platform.admin.rpc;
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await jobs
        .list({ service: "works", queue: "steady", limit: 3, ...(cursor === undefined ? {} : { cursor }) })
        .orThrow();
      expect(page.jobs.length).toBeLessThanOrEqual(3);
      ids.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(ids).toEqual(refs.map(({ id }) => id).toReversed());
    expect((await jobs.list({ queue: "plain" }).orThrow()).jobs).toEqual([]);
    expect((await jobs.list({ state: "completed" }).orThrow()).jobs).toHaveLength(7);
    const shown = await jobs.get({ id: refs[0]?.id ?? "" }).orThrow();
    expect(shown).toMatchObject({
      payload: { n: 0 },
      result: { n: 0, worker: "w" },
      job: { state: "completed", attempt: 1, key: "first" },
    });
    expect(shown.history.map(({ event }) => event)).toEqual(["created", "started", "progress", "logged", "completed"]);
    expect(shown.history.find(({ event }) => event === "logged")?.message).toBe("number 0");
    expect(await jobs.get({ id: "nothing" })).toMatchObject({ ok: false, error: { type: "NotFound" } });
  });

  it("run again when a dead one is replayed and when a failed one is retried; a dismissed one does not", async () => {
    await using service = await connect();
    const runs: string[] = [];
    let works = false;
    service.handle.job.steady(({ payload, job }) => {
      runs.push(`${payload.text} ${job.attempt}`);
      if (works) return ok({ n: 1, worker: "mended" });
      if (payload.text === "gives up") job.fail("not today");
      throw new Error("out of order");
    });
    await service.start();
    const create = (text: string) => service.jobs.steady.create({ n: 1, text }).orThrow();
    const [dead, other, failed] = [await create("dies"), await create("dies too"), await create("gives up")];
    expect(await dead.wait({ timeoutMs: 5_000 })).toMatchObject({ error: { state: "dead" } });
    expect(await other.wait({ timeoutMs: 5_000 })).toMatchObject({ error: { state: "dead" } });
    expect(await failed.wait({ timeoutMs: 5_000 })).toMatchObject({ error: { state: "failed" } });
    const { jobs } = platform.admin.rpc;
    expect((await jobs.listDLQ({ queue: "steady" }).orThrow()).jobs.map(({ id }) => id).sort()).toEqual(
      [dead.id, other.id].sort(),
    );
    expect(await jobs.retry({ id: dead.id })).toMatchObject({
      error: { type: "Refused", message: expect.stringContaining("replayed") },
    });
    runs.length = 0;

    works = true;
    expect(await jobs.replayDLQ({ id: dead.id }).orThrow()).toMatchObject({ state: "pending" });
    expect(await dead.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 1, worker: "mended" });
    expect(await jobs.retry({ id: failed.id, reason: "mended" }).orThrow()).toMatchObject({ state: "pending" });
    expect(await failed.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ n: 1, worker: "mended" });
    expect(runs).toEqual(["dies 1", "gives up 1"]);
    expect(await jobs.dismissDLQ({ id: other.id }).orThrow()).toMatchObject({ state: "dismissed" });
    expect(await jobs.replayDLQ({ id: other.id })).toMatchObject({ error: { type: "Refused" } });
    expect((await jobs.listDLQ({ queue: "steady" }).orThrow()).jobs).toEqual([]);
    await wait(300);
    expect(runs).toHaveLength(2);
  });

  it("run once when a dead one is replayed by many at the same time", async () => {
    await using service = await connect();
    let mended = false;
    let runs = 0;
    service.handle.job.plain(({ job }) => {
      if (!mended) job.fail("broken");
      runs += 1;
    });
    await service.start();
    const job = await service.jobs.plain.create({ n: 1 }).orThrow();
    await job.wait({ timeoutMs: 5_000 });
    mended = true;
    const answers = await Promise.all(Array.from({ length: 8 }, () => platform.admin.rpc.jobs.retry({ id: job.id })));
    expect(answers.filter(({ ok: accepted }) => accepted)).toHaveLength(1);
    await job.wait({ timeoutMs: 5_000 }).orThrow();
    await wait(200);
    expect(runs).toBe(1);
  });

  it("stop when an operator cancels them, and expire although no service is there", async () => {
    const service = await connect();
    let aborted = false;
    let began = false;
    service.handle.job.steady(async ({ signal }) => {
      began = true;
      await wait(20_000, undefined, { signal }).catch(() => (aborted = true));
      return ok({ n: 0, worker: "" });
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 1 }).orThrow();
    await eventually("it runs", () => began);
    expect(await platform.admin.rpc.jobs.cancel({ id: job.id, reason: "wrong one" }).orThrow()).toMatchObject({
      state: "cancelled",
    });
    await eventually("the handler stops", () => aborted);
    expect(await job.wait({ timeoutMs: 2_000 })).toMatchObject({
      error: { state: "cancelled", message: expect.stringContaining("wrong one") },
    });
    const late = await service.jobs.plain.create({ n: 2 }, { deadlineMs: 100 }).orThrow();
    await service.stop();
    await eventually("it has expired", async () => {
      const { job: shown } = await platform.admin.rpc.jobs.get({ id: late.id }).orThrow();
      return shown.state === "expired";
    });
  });
});

describe("who works on what", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("is listed while they live, with what they are at; a stopped worker is not listed any more", async () => {
    const service = await platform.connectService(works, { log: SILENT_LOG });
    const gate = Promise.withResolvers<void>();
    service.handle.job.steady(async ({ payload }) => {
      await gate.promise;
      return ok({ n: payload.n, worker: "w" });
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 1 }).orThrow();
    const queue = async () =>
      (await platform.admin.rpc.jobs.listServices({ service: "works" }).orThrow()).queues.find(
        (each) => each.queue === "steady",
      );
    const busy = await eventually(
      "it is seen at work",
      async () => {
        const found = await queue();
        return found?.workers[0]?.jobs.includes(job.id) === true && found.counts.active === 1 ? found : undefined;
      },
      60_000,
    );
    expect(busy.workers).toHaveLength(1);
    expect(busy.workers[0]).toMatchObject({ concurrency: 8, running: 1 });
    gate.resolve();
    await job.wait({ timeoutMs: 20_000 }).orThrow();
    await service.stop();
    await eventually("nobody is left", async () => (await queue())?.workers.length === 0, 60_000);
    expect((await queue())?.counts).toMatchObject({ active: 0, completed: 1 });
    expect(await platform.admin.rpc.jobs.health({}).orThrow()).toMatchObject({ jobs: 1 });
  }, 120_000);

  it("is told as it changes, and again from where a reader left off", async () => {
    await using service = await platform.connectService(works, { log: SILENT_LOG });
    service.handle.job.plain(() => undefined);
    await service.start();
    const read = async (cursor: string | undefined, until: number) => {
      const reading = platform.admin.feed.jobs.watch(
        { service: "works", queue: "plain" },
        cursor === undefined ? {} : { cursor },
      );
      await reading.opened();
      const seen: string[] = [];
      const create = cursor === undefined ? service.jobs.plain.create({ n: 1 }).orThrow() : undefined;
      for await (const change of reading) {
        seen.push(`${change.id} ${change.state}`);
        if (change.state === "completed" && seen.filter((line) => line.endsWith("completed")).length === until) break;
      }
      return { seen, cursor: reading.cursor, job: await create };
    };
    const first = await read(undefined, 1);
    expect(first.seen.at(-1)).toBe(`${first.job?.id} completed`);
    const missed = await service.jobs.plain.create({ n: 2 }).orThrow();
    await missed.wait({ timeoutMs: 20_000 }).orThrow();
    const second = await read(first.cursor, 1);
    expect(second.seen.at(-1)).toBe(`${missed.id} completed`);
    expect(second.seen.some((line) => line.startsWith(first.job?.id ?? "-"))).toBe(false);
  }, 120_000);
});
