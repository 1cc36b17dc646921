import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { listener } from "./kit/ticker-contract.ts";
import { spawnTicker } from "./kit/tickers.ts";

const OPENED_AT_ONCE = 250;

interface Memory {
  readonly open: number;
  readonly rssMb: number;
  readonly heapMb: number;
}

/** Holds that many feeds open on one replica, each bringing frames now and then, and says what they cost it. */
export async function holdOpen(
  feeds: number,
  readers: number,
): Promise<{ readonly kbPerFeed: number; readonly rssMb: number }> {
  await using platform = await startPlatform();
  await using ticker = await spawnTicker(platform, { HEARTBEAT_MS: "10000", NODE_OPTIONS: "--expose-gc" });
  let asked = 0;
  const memory = async (): Promise<Memory> => {
    asked += 1;
    ticker.send("SIGUSR2");
    const lines = await eventually("the replica says how it is", () => {
      const found = ticker.output.match(/open \d+ rssMb \d+ heapMb \d+/g) ?? [];
      return found.length >= asked && found;
    });
    const [open = 0, rssMb = 0, heapMb = 0] = (lines.at(-1)?.match(/\d+/g) ?? []).map(Number);
    return { open, rssMb, heapMb };
  };
  // About a thousand frames a second in all.
  const betweenMs = Math.max(500, Math.round(feeds / 1.5));
  const before = await memory();
  const clients = await Promise.all(Array.from({ length: readers }, () => platform.connectClient(listener, QUIET)));
  const frames = Array.from({ length: feeds }, () => 0);
  const stop = new AbortController();
  const failures: unknown[] = [];
  // A replica checks so many signatures at a time and drops the rest unread; nobody opens ten thousand feeds in one instant.
  const wave = Math.ceil(feeds / OPENED_AT_ONCE);
  const readings = frames.map(async (_, at) => {
    await pause((at % wave) * 100);
    const client = clients[at % readers];
    if (client === undefined) throw new Error("every feed has a reader");
    try {
      const input = { everyMs: betweenMs + (at % betweenMs), label: "many" };
      for await (const { n } of client.feed.ticker.count(input, {
        signal: stop.signal,
        timeoutMs: 60_000,
        reopen: false,
      }))
        frames[at] = n;
    } catch (error) {
      if (!stop.signal.aborted) failures.push(error);
    }
  });
  await eventually("every feed brings frames", () => failures.length > 0 || frames.every((n) => n >= 3), 120_000);
  expect([...new Set(failures.map(String))]).toEqual([]);
  const full = await memory();
  expect(full.open).toBe(feeds);
  stop.abort();
  await Promise.all(readings);
  await eventually("all are closed", async () => (await memory()).open === 0, 60_000);
  return { kbPerFeed: Math.round(((full.rssMb - before.rssMb) * 1_024) / feeds), rssMb: full.rssMb };
}
