import { setTimeout as wait } from "node:timers/promises";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { clockwork } from "./jobs/clockwork.ts";
import { dueTimes } from "./jobs/due-times.ts";
import { handOverToOne, spawnControlPlane } from "./resilience/kit/control-planes.ts";
import { eventually } from "./resilience/kit/eventually.ts";

describe("schedules", () => {
  let platform: TestPlatform;
  let running = 0;
  let most = 0;
  const ended: string[] = [];
  beforeAll(async () => {
    platform = await startPlatform();
    const service = await platform.connectService(clockwork, { log: SILENT_LOG });
    service.handle.job.ticks(() => undefined);
    service.handle.job.slow(async ({ payload, signal }) => {
      if (payload.of === "skipping") most = Math.max(most, (running += 1));
      await wait(2_500, undefined, { signal }).catch(() => undefined);
      if (payload.of === "skipping") running -= 1;
      ended.push(signal.aborted ? `cut ${payload.of}` : payload.of);
    });
    await service.start();
  });
  afterAll(() => platform.stop());
  const ref = (queue: string, schedule: string) => ({ service: "clockwork", queue, schedule });

  it("create one job for each time they are due, leave some out while one runs, or cut it short", async () => {
    await eventually("there are five", async () => (await dueTimes(platform, "second")).length >= 5, 60_000);
    const due = await dueTimes(platform, "second");
    expect(due).toEqual(due.map((_, at) => (due[0] ?? 0) + at));
    await eventually(
      "one was left out and one cut short",
      () => ended.includes("skipping") && ended.includes("cut replacing"),
      60_000,
    );
    expect(most).toBe(1);
    const { schedules } = await platform.admin.rpc.jobs.listSchedules({ queue: "slow" }).orThrow();
    expect(schedules.map(({ schedule }) => schedule)).toEqual(["replacing", "skipping"]);
    expect(schedules[1]?.skippedFor).toMatch(/^k_/);
  }, 150_000);

  it("are paused, resumed without making up for it, and run when somebody wants it", async () => {
    const { jobs } = platform.admin.rpc;
    const paused = await jobs.pauseSchedule(ref("ticks", "second")).orThrow();
    expect(paused.pausedBy).toBeDefined();
    expect(paused.nextAt).toBeUndefined();
    // One may be on its way.
    await wait(1_500);
    const before = await dueTimes(platform, "second");
    await wait(3_000);
    expect(await dueTimes(platform, "second")).toEqual(before);
    const resumedAt = Date.now() / 1_000;
    await jobs.resumeSchedule(ref("ticks", "second")).orThrow();
    await eventually("it goes on", async () => (await dueTimes(platform, "second")).length > before.length, 60_000);
    const after = (await dueTimes(platform, "second")).slice(before.length);
    expect(after[0]).toBeGreaterThan(resumedAt - 1);

    const [yearly] = (await jobs.listSchedules({ queue: "ticks" }).orThrow()).schedules.filter(
      ({ schedule }) => schedule === "yearly",
    );
    expect(yearly?.nextAt).toMatch(/-12-31T23:00:00/);
    const { id } = await jobs.runSchedule(ref("ticks", "yearly")).orThrow();
    await eventually("it ran", async () => (await jobs.get({ id }).orThrow()).job.state === "completed", 60_000);
    expect((await jobs.list({ schedule: "yearly" }).orThrow()).jobs.map((job) => job.id)).toEqual([id]);
    expect(await jobs.runSchedule(ref("ticks", "hourly"))).toMatchObject({ ok: false, error: { type: "NotFound" } });
  }, 150_000);

  it("create one job for each time while control planes are killed, and none twice", async () => {
    await platform.admin.rpc.jobs.pauseSchedule(ref("slow", "skipping")).orThrow();
    await platform.admin.rpc.jobs.pauseSchedule(ref("slow", "replacing")).orThrow();
    const first = await handOverToOne(platform);
    await wait(1_500);
    await first.program.kill();
    const second = await spawnControlPlane(platform.local);
    const third = await spawnControlPlane(platform.local);
    await second.program.kill();
    const since = Math.ceil(Date.now() / 1_000);
    await eventually(
      "the last one has caught up",
      async () => ((await dueTimes(platform, "second")).at(-1) ?? 0) > since + 2,
      90_000,
    );
    await third.program.kill();
    const due = await dueTimes(platform, "second");
    expect(new Set(due).size).toBe(due.length);
    // Beginning after the pause of the test before.
    const gapless = due.slice(due.findLastIndex((at, n) => n > 0 && at - (due[n - 1] ?? at) > 1.5));
    expect(gapless.length).toBeGreaterThan(5);
    expect((gapless.at(-1) ?? 0) - (gapless[0] ?? 0)).toBe(gapless.length - 1);
    // Not one of the times between the kills is missing.
    expect(gapless[0]).toBeLessThan(since - 3);
  }, 240_000);
});
