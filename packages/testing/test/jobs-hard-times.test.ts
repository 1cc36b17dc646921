import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { describe, expect, it } from "vitest";
import { startPlatform } from "../src/index.ts";
import type { JobRef } from "@trellis/jobs";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { endsOf, storedRecords, workLeft } from "./jobs/stored-jobs.ts";
import { provisionJobWorker, spawnJobWorker } from "./jobs/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";

const JUMP_CLOCK = fileURLToPath(new URL("./resilience/kit/jump-clock.ts", import.meta.url));
const HOUR_MS = 3_600_000;

describe("jobs in hard times", () => {
  it("neither expire nor run twice when the clocks of their workers jump an hour ahead and back", async () => {
    await using platform = await startPlatform();
    const runsFile = join(platform.local.directory, "runs.txt");
    writeFileSync(runsFile, "");
    const workers = await Promise.all(
      [HOUR_MS, -HOUR_MS].map(async (jumpMs) =>
        spawnJobWorker(platform, runsFile, await provisionJobWorker(platform), {
          preload: [JUMP_CLOCK],
          env: { CLOCK_JUMP_MS: String(jumpMs) },
        }),
      ),
    );
    await using stack = new AsyncDisposableStack();
    for (const worker of workers) stack.use(worker);
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    const create = (n: number) => creator.jobs.tough.create({ n, ms: 400 }, { deadlineMs: 600_000 }).orThrow();
    const jobs = await Promise.all(Array.from({ length: 20 }, (_, n) => create(n)));
    const lines = (): readonly string[] => readFileSync(runsFile, "utf8").split("\n");
    await eventually("some run", () => lines().length > 4);
    for (const worker of workers) worker.send("SIGUSR2");
    for (const worker of workers) await worker.said(/the clock has jumped/);
    jobs.push(...(await Promise.all(Array.from({ length: 20 }, (_, n) => create(20 + n)))));
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 60_000 }).orThrow()));
    expect(results.map(({ n }) => n)).toEqual(jobs.map((_, n) => n));
    const begun = jobs.map(({ id }) => lines().filter((line) => line.startsWith(`${id} `) && line.includes("began")));
    expect(begun.filter((runs) => runs.length !== 1)).toEqual([]);
  }, 120_000);

  it("are all done although the stream is too small for their records and drops the oldest", async () => {
    await using platform = await startPlatform({ config: { jobsMaxBytes: 512 * 1_024 } });
    await using data = await connectData(platform);
    const service = await platform.connectService(works, { log: SILENT_LOG });
    // More than twice what the stream holds; what is recorded of their runs has room. In turns, so that the queue is filled
    // before the stream drops them.
    const created: JobRef<{ readonly n: number }>[] = [];
    while (created.length < 300) {
      const turn = Array.from({ length: 20 }, (_, n) => ({ n: created.length + n, text: "x".repeat(4_000) }));
      created.push(...(await service.jobs.steady.createMany(turn).orThrow()).jobs);
    }
    const first = created[0]?.id ?? "";
    const before = await storedRecords(data);
    expect(before.length).toBeLessThan(200);
    expect(before.some(({ body }) => body.id === first)).toBe(false);
    const runs = new Map<string, number>();
    service.handle.job.steady(({ payload, job }) => {
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
      return ok({ n: payload.n, worker: job.id });
    });
    await service.start();
    const results = await Promise.all(created.map((job) => job.wait({ timeoutMs: 60_000 }).orThrow()));
    expect(results.map(({ n }) => n)).toEqual(created.map((_, n) => n));
    expect([...runs.values()].filter((count) => count !== 1)).toEqual([]);
  }, 120_000);

  it("do not stop at what is no job: workers, projection and operators go on", async () => {
    await using platform = await startPlatform();
    await using data = await connectData(platform);
    const service = await platform.connectService(works, { log: SILENT_LOG });
    service.handle.job.steady(({ payload, job }) => ok({ n: payload.n, worker: job.id }));
    await service.start();
    const body = (id: string, more: string): string => `{"id":"${id}","context":{"requestId":"r"},${more}}`;
    const poison: { readonly [id: string]: string | Uint8Array } = {
      nothing: "",
      half: "{",
      null: "null",
      list: "[]",
      text: '"text"',
      empty: "{}",
      number: '{"id":7,"context":{}}',
      other: body("another", '"payload":{"n":1}'),
      deep: body("deep", `"payload":${"[".repeat(5_000)}${"]".repeat(5_000)}`),
      proto: body("proto", '"__proto__":{"claim":"x"},"payload":{"n":1,"__proto__":{"ms":5}}'),
      past: body("past", '"payload":{"n":1},"deadlineAt":-1e400'),
      far: body("far", '"payload":{"n":1},"deadlineAt":9e15'),
      counted: body("counted", '"payload":{"n":1},"attempt":1.5'),
      claimed: body("claimed", '"payload":{"n":1},"claim":"somebody","attempt":1'),
      bytes: new Uint8Array([0xff, 0xfe, 0x00, 0x7b]),
    };
    for (const [id, bytes] of Object.entries(poison))
      await data.request(`trellis.jobs.works.steady.${id}.created`, bytes);
    await data.request("trellis.jobs.works.steady.blamed.created", body("blamed", '"payload":{"n":1}'));
    await data.request("trellis.jobs.works.steady.blamed.failed", body("blamed", '"error":{"type":7}'));
    for (const event of ["started", "completed", "retry", "nonsense"])
      await data.request(`trellis.jobs.works.steady.only-${event}.${event}`, "{}");
    const jobs = await Promise.all(Array.from({ length: 10 }, (_, n) => service.jobs.steady.create({ n }).orThrow()));
    const results = await Promise.all(jobs.map((job) => job.wait({ timeoutMs: 20_000 }).orThrow()));
    expect(results.map(({ n }) => n)).toEqual(jobs.map((_, n) => n));
    // The queue is empty: nothing comes again for ever.
    await eventually("no work is left", async () => (await workLeft(data)) === 0);
    const ends = endsOf(await storedRecords(data));
    const listed = await eventually("the projection has them", async () => {
      const page = await platform.admin.rpc.jobs.list({ service: "works", limit: 100 });
      return page.ok && page.value.jobs.filter(({ id }) => ends.has(id)).length >= 10 && page.value.jobs;
    });
    expect(listed.filter(({ id }) => jobs.some((job) => job.id === id)).map(({ state }) => state)).toEqual(
      jobs.map(() => "completed"),
    );
  }, 120_000);
});
