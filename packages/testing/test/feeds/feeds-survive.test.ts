import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { startTicker } from "./kit/counting.ts";
import { listener } from "./kit/ticker-contract.ts";
import { spawnReader, spawnTicker } from "./kit/tickers.ts";

describe("a feed survives", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("its replica being killed: the reader goes on at another by cursor, without a gap and without a repeat", async () => {
    const replicas = await Promise.all([spawnTicker(platform), spawnTicker(platform)]);
    try {
      const client = await platform.connectClient(listener, QUIET);
      const reopened: string[] = [];
      const seen: number[] = [];
      const pids = new Set<number>();
      let killed = 0;
      for await (const { n, pid } of client.feed.ticker.count(
        { everyMs: 2, cursors: true },
        { onReopen: (why) => reopened.push(why.message) },
      )) {
        seen.push(n);
        pids.add(pid);
        if (n === 200) {
          killed = pid;
          await replicas.find((replica) => replica.pid === pid)?.kill();
        }
        if (n === 600) break;
      }
      expect(seen).toEqual(Array.from({ length: 600 }, (_, at) => at + 1));
      expect(pids.size).toBe(2);
      expect(pids.has(killed)).toBe(true);
      expect(reopened).toEqual([expect.stringContaining("was lost")]);

      // One without cursors cannot go on unnoticed: it says so.
      const [left] = replicas.filter((replica) => replica.running);
      const plain = client.feed.ticker.count({ everyMs: 2 });
      await plain.next();
      await left?.kill();
      const error: unknown = await (async () => {
        for await (const _ of plain) continue;
      })().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "stream_lost", retryable: true });
    } finally {
      await Promise.all(replicas.map((replica) => replica.kill()));
    }
  });

  it("its only replica being killed: the reader waits for the next one and goes on by cursor", async () => {
    const one = await spawnTicker(platform);
    const client = await platform.connectClient(listener, QUIET);
    const seen: number[] = [];
    const pids = new Set<number>();
    let next: Promise<Awaited<ReturnType<typeof spawnTicker>>> | undefined;
    try {
      for await (const { n, pid } of client.feed.ticker.count({ everyMs: 2, cursors: true })) {
        seen.push(n);
        pids.add(pid);
        if (n === 100) {
          await one.kill();
          // Longer than anybody is asked for: there is nobody.
          next = pause(3_000).then(() => spawnTicker(platform));
        }
        if (n === 400) break;
      }
      expect(seen).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
      expect(pids.size).toBe(2);
    } finally {
      await one.kill();
      await (await next)?.kill();
    }
  });

  it("nothing that was given up before it opened: a replica that was only late lets go of it", async () => {
    // No heartbeat comes to the rescue.
    await using late = await spawnTicker(platform, { HEARTBEAT_MS: "600000" });
    const client = await platform.connectClient(listener, QUIET);
    const first = client.feed.ticker.count({ everyMs: 20 });
    await first.next();
    await first.return();
    late.send("SIGSTOP");
    const givenUp = client.feed.ticker.count({ everyMs: 20 }, { timeoutMs: 1_000 });
    await expect(givenUp.opened()).rejects.toMatchObject({ code: "timeout" });
    late.send("SIGCONT");
    const second = client.feed.ticker.count({ everyMs: 20 });
    // What was asked for before this has been opened as well.
    await second.next();
    await eventually("only one is left", () => {
      late.send("SIGUSR2");
      return late.output.match(/open \d+/g)?.at(-1) === "open 1";
    });
    await second.return();
  });

  it("its replica being replaced: the reader is told to go on elsewhere and does, at once", async () => {
    const one = await spawnTicker(platform);
    await using _one = one;
    const client = await platform.connectClient(listener, QUIET);
    const seen: number[] = [];
    let toldAt = 0;
    let wentOnAt = 0;
    let other: Awaited<ReturnType<typeof spawnTicker>> | undefined;
    try {
      for await (const { n, pid } of client.feed.ticker.count(
        { everyMs: 2, cursors: true },
        { onReopen: () => void (toldAt = performance.now()) },
      )) {
        seen.push(n);
        if (n === 100) {
          other = await spawnTicker(platform);
          one.send("SIGTERM");
        }
        if (pid === other?.pid && wentOnAt === 0) wentOnAt = performance.now();
        if (wentOnAt > 0 && n > 1_500) break;
      }
      expect(seen).toEqual(Array.from({ length: seen.length }, (_, at) => at + 1));
      expect(wentOnAt - toldAt).toBeLessThan(5_000);
      expect(await one.exited).toEqual({ code: 0, signal: null });
      expect(one.output).toContain("drained");
    } finally {
      await other?.kill();
    }
  });

  it("its reader being killed does it not: the handler is aborted when the heartbeats stop", async () => {
    const { service, counted } = await startTicker(platform, { limits: { feedHeartbeatMs: 300 } });
    await using reader = await spawnReader(platform, "killed");
    await reader.kill();
    await eventually("the handler is aborted", () => counted.aborted.get("killed"), 30_000);
    await eventually("it is finished", () => counted.open.get("killed") === 0, 10_000);
    await service.stop();
  });

  it("NATS being killed and started again", async () => {
    const { service } = await startTicker(platform, { limits: { feedHeartbeatMs: 500 }, ...QUIET });
    const client = await platform.connectClient(listener, QUIET);
    const [node] = platform.local.nats.nodes;
    if (node === undefined) throw new Error("there is no NATS server");
    const withCursors: number[] = [];
    const read = (async () => {
      for await (const { n } of client.feed.ticker.count({ everyMs: 5, cursors: true })) {
        withCursors.push(n);
        if (n === 1_000) return;
      }
    })();
    await eventually("it is read", () => withCursors.length > 50);
    await node.kill("SIGKILL");
    await node.restart();
    await read;
    expect(withCursors).toEqual(Array.from({ length: 1_000 }, (_, at) => at + 1));
    await service.stop();
  });
});
