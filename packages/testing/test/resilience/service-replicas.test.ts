import { TransportError } from "@trellis/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "./kit/eventually.ts";
import { QUIET } from "./kit/quiet.ts";
import { startLoad } from "./kit/load.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

const AT_ONCE = 16;

describe("two replicas of a service", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("one is killed: only the calls in flight on it are lost, and they say so", async () => {
    const [one, other] = await Promise.all([spawnWorker(platform), spawnWorker(platform)]);
    await using _one = one;
    await using _other = other;
    const client = await platform.connectClient(boss, QUIET);
    const answeredBy = new Set<number>();
    const load = startLoad(
      async (n) => {
        const result = await client.rpc.work.do({ n, ms: 10 }, { timeoutMs: 2_000 });
        if (result.ok) answeredBy.add(result.value.pid);
        return result;
      },
      { atOnce: AT_ONCE },
    );
    await eventually("both answer", () => answeredBy.size === 2 && load.answered > 200);
    await one.kill();
    const killedAt = performance.now();
    const before = load.answered;
    await eventually("the other answers", () => load.answered > before + 500);
    await load.stop();

    expect(load.failures.length).toBeLessThanOrEqual(AT_ONCE);
    for (const { startedAt, endedAt, error } of load.failures) {
      expect(startedAt).toBeLessThan(killedAt + 2_000);
      expect(endedAt - startedAt).toBeLessThan(10_000);
      expect(error).toBeInstanceOf(TransportError);
      expect(error).toMatchObject({
        code: "timeout",
        message: expect.stringContaining("may or may not have been carried out"),
      });
    }
    const settled = await Promise.all(Array.from({ length: 100 }, (_, n) => client.rpc.work.do({ n })));
    expect(settled.map((result) => result.ok && result.value.pid)).toEqual(settled.map(() => other.pid));
  });

  it("are replaced one after the other by SIGTERM: no call fails", async () => {
    let replicas = await Promise.all([spawnWorker(platform), spawnWorker(platform)]);
    try {
      const client = await platform.connectClient(boss, QUIET);
      const load = startLoad((n) => client.rpc.work.do({ n, ms: n % 4 === 0 ? 200 : 5 }), { atOnce: AT_ONCE });
      for (let round = 0; round < replicas.length; round += 1) {
        const before = load.answered;
        await eventually("calls are answered", () => load.answered > before + 100);
        const [old, ...rest] = replicas;
        replicas = [...rest, await spawnWorker(platform)];
        old?.send("SIGTERM");
        expect(await old?.exited).toEqual({ code: 0, signal: null });
        expect(old?.output).toContain("drained");
      }
      const before = load.answered;
      await eventually("calls are answered by the new ones", () => load.answered > before + 100);
      await load.stop();
      expect(load.failures).toEqual([]);
    } finally {
      await Promise.all(replicas.map((replica) => replica.kill()));
    }
  });
});
