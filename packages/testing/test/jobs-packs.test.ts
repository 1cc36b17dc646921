import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { JobQueue, JobRef } from "@trellis/jobs";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { readStored } from "./jobs/read-stored.ts";
import { endsOf, storedRecords } from "./jobs/stored-jobs.ts";
import { WARM_UPS, warmUp } from "./jobs/warm-up.ts";
import { provisionJobWorker, spawnJobWorker } from "./jobs/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";

type Task = { readonly n: number; readonly ms?: number; readonly text?: string };
type Done = { readonly n: number; readonly worker: string };

describe("jobs that are created together", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  async function createPack(queue: JobQueue<Task, Done>, payloads: readonly Task[]): Promise<readonly JobRef<Done>[]> {
    const { jobs } = await queue.createMany(payloads).orThrow();
    expect(jobs.map(({ id }) => id)).toEqual(jobs.map((_, at) => `${jobs[0]?.id.split("-")[0]}-${at}`));
    return jobs;
  }

  const numbers = (count: number): readonly Task[] => Array.from({ length: count }, (_, n) => ({ n }));

  /** How many messages of the job stream there are of these jobs, by what they say. */
  async function storedOf(jobs: readonly JobRef[]): Promise<{ readonly [event: string]: number }> {
    await using data = await connectData(platform);
    const pack = jobs[0]?.id.split("-")[0] ?? "";
    const events = (await readStored(data, "JOBS"))
      .filter(({ subject }) => subject.split(".")[4]?.startsWith(pack))
      .map(({ subject }) => subject.split(".")[5] ?? "");
    return Object.fromEntries([...Map.groupBy(events, (event) => event)].map(([event, all]) => [event, all.length]));
  }

  it("share records while all goes well, and are jobs of their own to whoever asks", async () => {
    await using service = await platform.connectService(works, { log: SILENT_LOG });
    const runs: string[] = [];
    service.handle.job.steady(({ payload, job }) => {
      runs.push(`${payload.n} #${job.attempt}`);
      if (payload.n === 7 && job.attempt === 1) throw new Error("once");
      if (payload.n === 9) job.fail("never");
      return ok({ n: payload.n, worker: job.id });
    });
    await service.start();
    await warmUp(service.jobs.steady, { n: 0 });
    runs.length = 0;
    const jobs = await createPack(service.jobs.steady, numbers(50));
    const outcomes = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 15_000 })));
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value.n : outcome.error.name))).toEqual(
      numbers(50).map(({ n }) => (n === 9 ? "JobEnded" : n)),
    );
    expect(runs.toSorted()).toEqual([...numbers(50).map(({ n }) => `${n} #1`), "7 #2"].toSorted());
    const { started = 0, ...rest } = await storedOf(jobs);
    // The claim, what was completed, that the pack was split for the one that is tried again, and the claim of that one.
    expect(started).toBeLessThan(12);
    expect(rest).toEqual({ created: 1, retry: 1, failed: 1, completed: 1 });

    const { jobs: operator } = platform.admin.rpc;
    const historyOf = async ({ id }: JobRef): Promise<readonly string[]> =>
      (await operator.get({ id }).orThrow()).history.map(({ event }) => event);
    expect(await historyOf(jobs[3] ?? expect.fail())).toEqual(["created", "started", "completed"]);
    expect(await historyOf(jobs[7] ?? expect.fail())).toEqual(["created", "started", "retry", "started", "completed"]);
    expect(await historyOf(jobs[9] ?? expect.fail())).toEqual(["created", "started", "failed"]);
    expect(await operator.get({ id: jobs[3]?.id ?? "" }).orThrow()).toMatchObject({
      job: { state: "completed", attempt: 1 },
      payload: { n: 3 },
      result: { n: 3, worker: jobs[3]?.id },
    });
    const listed: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await operator.list({ limit: 7, ...(cursor === undefined ? {} : { cursor }) }).orThrow();
      listed.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    expect(listed.slice(0, 50)).toEqual(jobs.map(({ id }) => id).toReversed());
    expect(new Set(listed).size).toBe(50 + WARM_UPS);
    expect(await jobs[9]?.cancel()).toMatchObject({ ok: false, error: { state: "failed" } });
    expect(await jobs[3]?.cancel()).toMatchObject({ ok: false, error: { state: "completed" } });
    await operator.retry({ id: jobs[9]?.id ?? "" }).orThrow();
    await eventually("it runs again", () => runs.filter((run) => run === "9 #1").length === 2);
  });

  it("keep results of any size, each with its own job", async () => {
    await using service = await platform.connectService(works, { log: SILENT_LOG });
    service.handle.job.steady(({ payload }) => ok({ n: payload.n, worker: `${payload.n}`.repeat(3_000) }));
    await service.start();
    await warmUp(service.jobs.steady, { n: 0 });
    const jobs = await createPack(service.jobs.steady, numbers(9));
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 15_000 }).orThrow()));
    expect(results).toEqual(numbers(9).map(({ n }) => ({ n, worker: `${n}`.repeat(3_000) })));
    // Two fit among what the pack tells.
    expect((await storedOf(jobs))["completed"]).toBe(7);
  });

  it("do not run when they are cancelled before, and end by themselves when another is cancelled meanwhile", async () => {
    await using service = await platform.connectService(works, { log: SILENT_LOG });
    const runs: number[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    let heldBack = false;
    service.handle.job.steady(async ({ payload, job, signal }) => {
      runs.push(payload.n);
      if (heldBack && payload.n === 5) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        gates[0].resolve();
      }
      if (heldBack && payload.n === 6) await gates[1].promise;
      return ok({ n: payload.n, worker: job.id });
    });
    const early = await createPack(service.jobs.steady, numbers(4));
    await early[2]?.cancel("not this one").orThrow();
    await service.start();
    const outcomes = await Promise.all(early.map((job) => job.wait({ timeoutMs: 15_000 })));
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, false, true]);
    expect(runs.toSorted()).toEqual([0, 1, 3]);

    await warmUp(service.jobs.steady, { n: 0 });
    heldBack = true;
    const jobs = await createPack(service.jobs.steady, numbers(12));
    await Promise.all(
      jobs.filter((_, n) => n !== 5 && n !== 6).map((job) => job.wait({ timeoutMs: 15_000 }).orThrow()),
    );
    await jobs[5]?.cancel("nor this").orThrow();
    await gates[0].promise;
    expect(await jobs[6]?.state().orThrow()).toBe("active");
    gates[1].resolve();
    expect(await jobs[6]?.wait({ timeoutMs: 15_000 }).orThrow()).toEqual({ n: 6, worker: jobs[6]?.id });
    expect(await jobs[5]?.state().orThrow()).toBe("cancelled");
    expect(await storedOf(jobs)).toMatchObject({ created: 1, completed: 1, cancelled: 1 });
  });

  it("are shared by workers whose handlers are slow", async () => {
    const services = [
      await platform.connectService(works, { log: SILENT_LOG }),
      await platform.connectService(works, { log: SILENT_LOG }),
    ];
    for (const [at, service] of services.entries()) {
      service.handle.job.plain(() => undefined);
      service.handle.job.tough(async ({ payload }) => {
        await wait(150);
        return ok({ n: payload.n, worker: `${at}` });
      });
      await service.start();
    }
    const [first] = services;
    const jobs = await createPack(first?.jobs.tough ?? expect.fail(), numbers(40));
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 30_000 }).orThrow()));
    expect(new Set(results.map(({ worker }) => worker))).toEqual(new Set(["0", "1"]));
    expect(await storedOf(jobs)).toMatchObject({ created: 1, started: 41, completed: 40 });
    for (const service of services) await service[Symbol.asyncDispose]();
  });

  describe("and whose worker", () => {
    let runsFile: string;
    const linesOf = ({ id }: JobRef, what: string): readonly string[] =>
      readFileSync(runsFile, "utf8")
        .split("\n")
        .filter((line) => line.startsWith(`${id} `) && line.includes(what));
    beforeAll(() => {
      runsFile = join(platform.local.directory, "pack-runs.txt");
      writeFileSync(runsFile, "");
    });

    /** A worker in the middle of a pack: the first twenty are done, five wait for the gate. */
    async function inTheMiddle() {
      const creator = await platform.connectService(works, { log: SILENT_LOG });
      const gate = join(platform.local.directory, `gate-${Math.random()}`);
      const worker = await spawnJobWorker(platform, runsFile, await provisionJobWorker(platform));
      for (;;) {
        await warmUp(creator.jobs.tough, { n: 0 });
        const jobs = await createPack(creator.jobs.tough, [
          ...numbers(20),
          ...numbers(5).map(({ n }) => ({ n: 20 + n, text: gate })),
        ]);
        await Promise.all(jobs.slice(0, 20).map((job) => job.wait({ timeoutMs: 15_000 }).orThrow()));
        await eventually("the others run", () => jobs.slice(20).every((job) => linesOf(job, "began").length === 1));
        if ((await storedOf(jobs))["completed"] === undefined)
          return { worker, jobs, open: () => writeFileSync(gate, "") };
        // On a busy machine no handler is quick: then nobody takes a pack as a whole.
        writeFileSync(gate, "");
        await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 15_000 }).orThrow()));
        rmSync(gate);
      }
    }

    it("dies are done by another: what was completed is not begun again", async () => {
      const { worker, jobs, open } = await inTheMiddle();
      await worker.kill();
      const other = await spawnJobWorker(platform, runsFile, await provisionJobWorker(platform));
      open();
      const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 30_000 }).orThrow()));
      expect(results.map(({ worker: by }) => by)).toEqual(
        jobs.map((_, n) => (n < 20 ? `${worker.pid}/1` : `${other.pid}/2`)),
      );
      expect(jobs.map((job) => linesOf(job, "began").length)).toEqual(jobs.map((_, n) => (n < 20 ? 1 : 2)));
      await other.kill();
    }, 120_000);

    it("is paused have one end, although it wakes up after another has finished them", async () => {
      const { worker, jobs, open } = await inTheMiddle();
      worker.send("SIGSTOP");
      const other = await spawnJobWorker(platform, runsFile, await provisionJobWorker(platform));
      await eventually("the other has them", () =>
        jobs.slice(20).every((job) => linesOf(job, `began ${other.pid}`).length === 1),
      );
      open();
      const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 30_000 }).orThrow()));
      worker.send("SIGCONT");
      await eventually("the paused one comes to its end", () =>
        jobs.slice(20).every((job) => linesOf(job, `ended ${worker.pid}`).length === 1),
      );
      await wait(500);
      await using data = await connectData(platform);
      const ends = endsOf(await storedRecords(data));
      expect(jobs.map(({ id }) => ends.get(id)?.map(({ body }) => body.result))).toEqual(
        results.map((result) => [result]),
      );
      expect(results.slice(20).map(({ worker: by }) => by)).toEqual(jobs.slice(20).map(() => `${other.pid}/2`));
      await Promise.all([worker.kill(), other.kill()]);
    }, 120_000);
  });
});
