import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { listener } from "./kit/ticker-contract.ts";
import { spawnTicker } from "./kit/tickers.ts";

const LIFE_MS = 2_000;

/** Reads one feed for that long while the permissions of both connections end every two seconds. */
export async function readWhilePermissionsExpire(lastsMs: number): Promise<void> {
  await using platform = await startPlatform({ config: { permissionsTtlMs: LIFE_MS } });
  await using _ticker = await spawnTicker(platform);
  const client = await platform.connectClient(listener, QUIET);
  const readFor = async (everyMs: number): Promise<number> => {
    const startedAt = performance.now();
    let last = 0;
    // Without cursors and without opening again: one lost frame ends it.
    for await (const { n } of client.feed.ticker.count({ everyMs }, { reopen: false })) {
      expect(n).toBe(last + 1);
      last = n;
      if (performance.now() - startedAt > lastsMs) break;
    }
    return last;
  };
  const [busy, calm] = await Promise.all([readFor(2), readFor(700)]);
  expect(busy).toBeGreaterThan(lastsMs / 10);
  expect(calm).toBeGreaterThan(lastsMs / 1_400);
}
