import { randomInt } from "node:crypto";
import { SILENT_LOG } from "@trellis/server/node";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../events/eventually.ts";
import { connectRaw } from "../events/raw-connection.ts";
import type { BooksKind } from "./books.ts";
import { ledger, shop } from "./contracts.ts";
import { hasPostgres, startPostgres, type RunningPostgres } from "../../../../scripts/peers/postgres.ts";
import { Replicas } from "./replicas.ts";

/** Two replicas write, publish and handle over each kind of storage, are killed so many times, and are counted at the end. */
export function countThroughCrashes(kinds: readonly BooksKind[], kills: number): void {
  let platform: TestPlatform;
  let cluster: RunningPostgres | undefined;
  beforeAll(async () => {
    // A busy machine may take longer than two minutes to start a killed replica again.
    platform = await startPlatform({ config: { eventsDedupeMs: 900_000 } });
    if (hasPostgres()) cluster = await startPostgres({ settings: { fsync: "off" } });
  });
  afterAll(async () => {
    await platform.stop();
    await cluster?.[Symbol.asyncDispose]();
  });

  for (const kind of kinds) {
    describe.skipIf(kind === "postgres" && !hasPostgres())(`SIGKILL over ${kind}`, () => {
      it("between commit and publish loses no event, stores none twice, and keeps the order of a key", async () => {
        const seen = new Map<string, Set<number>>();
        await using replicas = await Replicas.start(platform, "shop", kind, await database(cluster, kind));
        const audit = await platform.connectService(ledger, { name: `audit-${kind}`, log: SILENT_LOG });
        audit.handle.events.entries(({ event: { key, n } }) => {
          seen.set(key, (seen.get(key) ?? new Set()).add(n));
        });
        await audit.start();
        for (let kill = 0; kill < kills; kill += 1) await replicas.killAfter(randomInt(1, 6));
        await replicas.stopWriting();
        await eventually(async () => expect((await replicas.books()).waiting).toBe(0), 240_000);
        const { totals } = await replicas.books();
        expect(Object.keys(totals)).toHaveLength(6);
        expect(await storedByKey(platform, kind)).toEqual(totals);
        await eventually(() => {
          for (const [key, total] of Object.entries(totals))
            expect([key, ...(seen.get(key) ?? [])]).toEqual([key, ...Array.from({ length: total }, (_, n) => n)]);
        }, 240_000);
        await audit.stop();
      }, 600_000);

      it("in the middle of handling lets each event count once", async () => {
        const seller = await platform.connectService(shop, { name: `seller-${kind}`, log: SILENT_LOG });
        await seller.start();
        await using replicas = await Replicas.start(platform, "ledger", kind, await database(cluster, kind));
        let published = 0;
        let stop = false;
        const publishing = (async () => {
          for (; !stop; published += 1)
            await seller.event.shop.ordered.publish({ key: `inbox-${kind}-${published % 7}`, n: published }).orThrow();
        })();
        for (let kill = 0; kill < kills; kill += 1) await replicas.killAfter(randomInt(1, 20));
        stop = true;
        await publishing;
        const counted = async () => {
          const { totals } = await replicas.books();
          return Object.entries(totals)
            .filter(([key]) => key.startsWith(`inbox-${kind}-`))
            .reduce((sum, [, n]) => sum + n, 0);
        };
        await eventually(async () => expect(await counted()).toBeGreaterThanOrEqual(published), 240_000);
        await eventually(async () => {
          const { groups } = await platform.admin.rpc.trellis
            .eventsGroupsList({ deployment: `ledger-${kind}` })
            .orThrow();
          expect(groups[0]).toMatchObject({ pending: 0, inFlight: 0, deadLetters: 0 });
        }, 240_000);
        expect(await counted()).toBe(published);
        await seller.stop();
      }, 600_000);
    });
  }
}

/** Events of the shop in the stream, by key. */
async function storedByKey(platform: TestPlatform, kind: BooksKind): Promise<{ [key: string]: number }> {
  const data = await connectRaw(platform, "DATA");
  const filter = "events.v1.Shop.Ordered.>";
  const answer = await data.request("$JS.API.STREAM.INFO.EVENTS", JSON.stringify({ subjects_filter: filter }));
  const { state } = answer.json<{ state: { subjects?: { [subject: string]: number } } }>();
  await data.close();
  const prefix = "events.v1.Shop.Ordered.";
  return Object.fromEntries(
    Object.entries(state.subjects ?? {})
      .map(([subject, count]): [string, number] => [subject.slice(prefix.length), count])
      .filter(([key]) => key.startsWith(`${kind}-`)),
  );
}

/** A new database for each test; SQLite and KV bring their own. */
async function database(cluster: RunningPostgres | undefined, kind: BooksKind): Promise<string | undefined> {
  if (kind !== "postgres" || cluster === undefined) return undefined;
  const name = `books${randomInt(2 ** 31)}`;
  const pool = new Pool({ connectionString: cluster.url });
  await pool.query(`CREATE DATABASE ${name}`);
  await pool.end();
  const url = cluster.url.replace(/postgres$/, name);
  const own = new Pool({ connectionString: url });
  await own.query("CREATE TABLE books (key text PRIMARY KEY, n integer NOT NULL)");
  await own.end();
  return url;
}
