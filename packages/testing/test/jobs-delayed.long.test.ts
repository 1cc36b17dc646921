import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { expect, test } from "vitest";
import { startPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
import { limited } from "./jobs/limited.ts";
import { eventually } from "./resilience/kit/eventually.ts";

const DELAYED = 150_000;
const AT_ONCE = 10_000;
/** Far enough away that nothing of this run is late. */
const LATER_MS = 86_400_000;
/** Longer than it takes to hand all of them out once. */
const SOON_MS = 60_000;

test("a queue with 150 000 delayed jobs begins what is ready, and the delayed ones at their time, also after its server died", async () => {
  await using platform = await startPlatform({ config: { jobsMaxBytes: 512 * 1024 * 1024 } });
  await using data = await connectData(platform);
  const service = await platform.connectService(limited, { log: SILENT_LOG });
  const { free } = service.jobs;
  const begun = new Set<number>();
  service.handle.job.free(({ payload: { n } }) => {
    begun.add(n);
    return ok({ n, at: Date.now() });
  });
  for (let from = 0; from < DELAYED; from += AT_ONCE) {
    const tasks = Array.from({ length: AT_ONCE }, (_, n) => ({ n: from + n }));
    await free.createMany(tasks, () => ({ delayMs: LATER_MS })).orThrow();
  }
  // Some of them are due while the others wait.
  const createdAt = Date.now();
  const soon = Array.from({ length: 50 }, (_, n) => ({ n: DELAYED + n }));
  const due = await free.createMany(soon, () => ({ delayMs: SOON_MS })).orThrow();
  await service.start();

  const waiting = async (): Promise<{ readonly num_ack_pending: number; readonly num_pending: number }> =>
    (await data.request("$JS.API.CONSUMER.INFO.JOBS_WORK.limited_free", "")).json();
  const ready = async (count: number): Promise<void> => {
    const tasks = Array.from({ length: count }, (_, n) => ({ n: 2 * DELAYED + n }));
    const done = await (await free.createMany(tasks).orThrow()).wait({ timeoutMs: 120_000 }).orThrow();
    expect(done.every((one) => one.ok)).toBe(true);
  };
  await eventually("all have been handed out once", async () => (await waiting()).num_pending === 0, 300_000);
  expect((await waiting()).num_ack_pending).toBeGreaterThanOrEqual(DELAYED);
  await ready(1_000);
  const [node] = platform.local.nats.nodes;
  await node?.kill("SIGKILL");
  await node?.restart();
  await ready(1_000);
  for (const result of await due.wait({ timeoutMs: 300_000 }).orThrow())
    expect(result.ok && result.value.at).toBeGreaterThanOrEqual(createdAt + SOON_MS);
  await ready(1_000);
  expect([...begun].filter((n) => n < DELAYED)).toEqual([]);
  expect((await waiting()).num_ack_pending).toBeGreaterThanOrEqual(DELAYED);
});
