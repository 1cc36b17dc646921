import { expect } from "vitest";
import { setTimeout as pause } from "node:timers/promises";
import { startPlatform } from "../../src/index.ts";
import { metric } from "./kit/control-planes.ts";
import { startLoad } from "./kit/load.ts";
import { QUIET } from "./kit/quiet.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

const LIFE_MS = 2_000;

/** Calls for that long while the permissions of every connection end after two seconds. */
export async function callWhilePermissionsExpire(lastsMs: number): Promise<void> {
  await using platform = await startPlatform({ config: { permissionsTtlMs: LIFE_MS } });
  await using worker = await spawnWorker(platform);
  const client = await platform.connectClient(boss, QUIET);
  const admittedBefore = await metric(platform.url, "trellis_callouts_admitted_total");
  const quick = startLoad((n) => client.rpc.work.do({ n }), { atOnce: 8, pauseMs: 5 });
  // Longer than the connection that carried the request lives.
  const slow = startLoad((n) => client.rpc.work.do({ n, ms: 2_500 }), { atOnce: 2 });
  await pause(lastsMs);
  await Promise.all([quick.stop(), slow.stop()]);
  expect([...quick.failures, ...slow.failures].map(({ error }) => error)).toEqual([]);
  expect(quick.answered).toBeGreaterThan(lastsMs / 50);
  expect(slow.answered).toBeGreaterThanOrEqual(2);
  expect(worker.running).toBe(true);
  // Client and worker each moved about once a life; the administrator's connection too.
  const admitted = (await metric(platform.url, "trellis_callouts_admitted_total")) - admittedBefore;
  expect(admitted).toBeGreaterThanOrEqual(Math.floor((2 * lastsMs) / LIFE_MS));
}
