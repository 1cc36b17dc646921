import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { limited } from "./jobs/limited.ts";

/** One run as a handler saw it. */
interface Run {
  readonly n: number;
  readonly replica: number;
  readonly from: number;
  to: number;
}

describe("what a contract limits", () => {
  let platform: TestPlatform;
  let runs: Run[] = [];
  let replicas: Awaited<ReturnType<typeof connect>>[] = [];

  async function connect(replica: number) {
    const service = await platform.connectService(limited, { log: SILENT_LOG });
    const handler =
      (ms: number) =>
      async ({ payload: { n } }: { payload: { n: number } }) => {
        const run: Run = { n, replica, from: performance.now(), to: Number.POSITIVE_INFINITY };
        runs.push(run);
        await wait(ms);
        run.to = performance.now();
        return ok({ n, at: Date.now() });
      };
    service.handle.job.ranked(handler(30));
    service.handle.job.grouped(handler(60));
    service.handle.job.paced(handler(5));
    service.handle.job.tenants(handler(5));
    return service;
  }

  beforeAll(async () => {
    platform = await startPlatform();
    replicas = await Promise.all([connect(0), connect(1)]);
    await replicas[0]?.start();
  });
  afterAll(() => platform.stop());
  const jobs = () => {
    const [service] = replicas;
    if (service === undefined) throw new Error("no service");
    runs = [];
    return service.jobs;
  };

  it("begins what waits with a higher priority first, however much waits with a lower one", async () => {
    const { ranked } = jobs();
    const first = await ranked
      .createMany(
        Array.from({ length: 60 }, (_, n) => ({ n })),
        ({ n }) => ({ priority: n < 30 ? "low" : "normal" }),
      )
      .orThrow();
    const urgent = await ranked.create({ n: 1_000 }, { priority: "high" }).orThrow();
    await urgent.wait({ timeoutMs: 30_000 }).orThrow();
    const before = runs.length;
    await first.wait({ timeoutMs: 60_000 }).orThrow();
    // One may have been at work, and one or two chosen already.
    expect(before).toBeLessThan(60);
    const order = runs.map(({ n }) => n).filter((n) => n < 60);
    expect(order).toHaveLength(60);
    const lowBeforeNormal = order.slice(0, 20).filter((n) => n < 30).length;
    // Those that began before the others were there.
    expect(lowBeforeNormal).toBeLessThan(15);
    expect(order.slice(40).every((n) => n < 30)).toBe(true);
  }, 90_000);

  it("runs so many of a group at once over two replicas, while other groups go on", async () => {
    const { grouped } = jobs();
    await replicas[1]?.start();
    const batch = await grouped
      .createMany(
        Array.from({ length: 60 }, (_, n) => ({ n })),
        ({ n }) => ({ group: n < 40 ? "big" : `small ${n % 5}` }),
      )
      .orThrow();
    await batch.wait({ timeoutMs: 120_000 }).orThrow();
    expect(runs).toHaveLength(60);
    const big = runs.filter(({ n }) => n < 40);
    for (const run of big) {
      const atOnce = big.filter((other) => other.from <= run.from && other.to > run.from).length;
      expect(atOnce, `${run.n} began while ${atOnce - 1} others ran`).toBeLessThanOrEqual(2);
    }
    const lastSmall = Math.max(...runs.filter(({ n }) => n >= 40).map(({ to }) => to));
    expect(lastSmall).toBeLessThan(Math.max(...big.map(({ to }) => to)));
  }, 150_000);

  it("begins so many in each second over two replicas", async () => {
    const { paced } = jobs();
    const from = performance.now();
    const batch = await paced.createMany(Array.from({ length: 20 }, (_, n) => ({ n }))).orThrow();
    await batch.wait({ timeoutMs: 120_000 }).orThrow();
    expect(runs).toHaveLength(20);
    // Twenty at five a second: the last five are let in three seconds after the first five.
    expect(performance.now() - from).toBeGreaterThan(3_000);
  }, 150_000);

  it("holds each group to its own rate", async () => {
    const { tenants } = jobs();
    const from = performance.now();
    const batch = await tenants
      .createMany(
        Array.from({ length: 12 }, (_, n) => ({ n })),
        ({ n }) => ({ group: n < 6 ? "a" : `b${n}` }),
      )
      .orThrow();
    await batch.wait({ timeoutMs: 120_000 }).orThrow();
    // Six of one group at two a second; twelve together would take six seconds.
    expect(performance.now() - from).toBeGreaterThan(2_000);
    expect(runs).toHaveLength(12);
  }, 150_000);
});
