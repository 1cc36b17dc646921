import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { counting } from "./counter-contracts.ts";
import { CounterReplicas } from "./counter-replicas.ts";
import { eventually } from "./eventually.ts";

it("a replica that stood still handles nothing of what was sent to it meanwhile: another has gone on", async () => {
  await using platform = await startPlatform();
  await using source = await platform.connectService(counting, { name: "counting" });
  await source.start();
  await using replicas = await CounterReplicas.start(platform, "strict");
  let published = 0;
  let stop = false;
  const publishing = (async () => {
    for (; !stop; published += 1) {
      await source.event.counting.counted.publish({ key: `k${published % 5}`, n: published }).orThrow();
      await pause(5);
    }
  })();
  await eventually(() => expect(replicas.lines().length).toBeGreaterThan(200), 30_000);
  const still = replicas.lines().at(-1)?.pid ?? 0;
  process.kill(still, "SIGSTOP");
  await pause(500);
  const before = replicas.lines().length;
  await eventually(() => expect(replicas.lines().length).toBeGreaterThan(before + 300), 30_000);
  process.kill(still, "SIGCONT");
  await pause(4_000);
  stop = true;
  await publishing;
  await eventually(() => expect(new Set(replicas.lines().map(({ n }) => n)).size).toBe(published), 30_000);
  const lines = replicas.lines();
  const first = [...new Set(lines.map(({ n }) => n))];
  expect(first).toEqual(first.toSorted((a, b) => a - b));
  expect(lines.slice(before).filter(({ pid }) => pid === still)).toEqual([]);
}, 120_000);
