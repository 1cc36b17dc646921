import { setTimeout as pause } from "node:timers/promises";
import { KvError } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { collect } from "./collect.ts";
import { openDataAccount } from "./data-account.ts";
import { stock } from "./stock-contract.ts";

type Item = { count: number; note?: string };

let platform: TestPlatform;
let data: Awaited<ReturnType<typeof openDataAccount>>;

beforeAll(async () => {
  platform = await startPlatform();
  data = await openDataAccount(platform);
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  await platform?.stop();
});

async function failure(result: PromiseLike<{ ok: boolean; error?: unknown }>): Promise<KvError> {
  const { ok, error } = await result;
  if (ok || !(error instanceof KvError)) throw new Error(`expected a KvError, not ${String(error)}`);
  return error;
}

describe("a bucket", () => {
  it("stores, reads, replaces and ends values, and says at which revision", async () => {
    const { kv } = await platform.connectService(stock, { name: "basics" });
    expect(await kv.items.get("bell").orThrow()).toBeUndefined();
    const { revision } = await kv.items.put("bell", { count: 1 }).orThrow();
    expect(await kv.items.get("bell").orThrow()).toMatchObject({ key: "bell", value: { count: 1 }, revision });
    const next = await kv.items.update("bell", { count: 2 }, revision).orThrow();
    expect(next.revision).toBeGreaterThan(revision);
    await kv.items.delete("bell").orThrow();
    expect(await kv.items.get("bell").orThrow()).toBeUndefined();
    const entry = await kv.items.get("bell", { fresh: true }).orThrow();
    expect(entry).toBeUndefined();
  });

  it("tells when somebody else was first", async () => {
    const { kv } = await platform.connectService(stock, { name: "races" });
    const { revision } = await kv.items.create("a", { count: 1 }).orThrow();
    expect(await failure(kv.items.create("a", { count: 2 }))).toMatchObject({ code: "conflict", revision });
    await kv.items.update("a", { count: 3 }, revision).orThrow();
    expect(await failure(kv.items.update("a", { count: 4 }, revision))).toMatchObject({
      code: "conflict",
      revision: revision + 1,
    });
    expect(await failure(kv.items.update("none", { count: 4 }, 1))).toMatchObject({ code: "not_found" });
    await kv.items.delete("a").orThrow();
    expect(await failure(kv.items.update("a", { count: 4 }, revision))).toMatchObject({ code: "not_found" });
    await kv.items.create("a", { count: 5 }).orThrow();
    expect((await kv.items.get("a").orThrow())?.value).toEqual({ count: 5 });
    // Only one of many gets the key.
    const winners = await Promise.all(Array.from({ length: 20 }, (_, count) => kv.items.create("one", { count })));
    expect(winners.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it("lists keys by filter and keeps the history it declares", async () => {
    const { kv } = await platform.connectService(stock, { name: "lists" });
    for (const key of ["eu.bell", "eu.horn", "us.bell"]) await kv.items.put(key, { count: 1 }).orThrow();
    await kv.items.delete("eu.horn").orThrow();
    expect(await kv.items.keys().orThrow()).toEqual(["eu.bell", "us.bell"]);
    expect(await kv.items.keys("eu.*").orThrow()).toEqual(["eu.bell"]);
    expect((await kv.items.entries("*.bell").orThrow()).map(({ key, value }) => [key, value])).toEqual([
      ["eu.bell", { count: 1 }],
      ["us.bell", { count: 1 }],
    ]);
    for (let count = 0; count < 7; count += 1) await kv.past.put("bell", { count }).orThrow();
    await kv.past.delete("bell").orThrow();
    expect(
      (await kv.past.history("bell").orThrow()).map((change) =>
        change.type === "put" ? change.value.count : change.type,
      ),
    ).toEqual([3, 4, 5, 6, "end"]);
    await kv.past.purge("bell").orThrow();
    expect(await kv.past.history("bell").orThrow()).toMatchObject([{ type: "end", reason: "purged" }]);
    expect(await kv.items.status().orThrow()).toMatchObject({ bucket: "lists_items", keys: 2, history: 1, ttlMs: 0 });
  });

  it("refuses what does not fit before anything is sent", async () => {
    const { kv } = await platform.connectService(stock, { name: "limits" });
    const wrong: unknown = { count: "three" };
    expect(await failure(kv.items.put("a", wrong as Item))).toMatchObject({
      code: "invalid_value",
      issues: [{ path: "/count" }],
    });
    for (const key of ["", ".", "a..b", "a b", "ü", "*", "a.>", "$KV", "a.", "x\r\nPUB y 0"])
      expect(await failure(kv.items.put(key, { count: 1 })), key).toMatchObject({ code: "invalid_key" });
    expect(await failure(kv.items.keys("a.>.b"))).toMatchObject({ code: "invalid_key" });
    const exact = "x".repeat(64 - '{"text":""}'.length);
    await kv.small.put("a", { text: exact }).orThrow();
    expect(await failure(kv.small.put("a", { text: `${exact}x` }))).toMatchObject({ code: "value_too_large" });
    await kv.small.create("b", { text: exact }).orThrow();
    const { state } = await data.info("KV_limits_items");
    expect(state.messages).toBe(0);
  });

  it("carries values up to what NATS takes, and says so beyond", async () => {
    const { kv } = await platform.connectService(stock, { name: "large" });
    const text = "x".repeat(1_000_000);
    await kv.blobs.put("a", { text }).orThrow();
    await kv.blobs.create("b", { text }).orThrow();
    expect((await kv.blobs.get("a").orThrow())?.value.text).toBe(text);
    expect((await kv.blobs.entries().orThrow()).map(({ value }) => value.text.length)).toEqual([1_000_000, 1_000_000]);
    expect(await failure(kv.blobs.put("c", { text: "x".repeat(9_000_000) }))).toMatchObject({
      code: "value_too_large",
    });
    expect((await kv.blobs.get("a", { fresh: true }).orThrow())?.value.text).toBe(text);
  });

  it("says that it is full", async () => {
    const { kv } = await platform.connectService(stock, { name: "full" });
    await kv.items.put("a", { count: 1 }).orThrow();
    await data.change("KV_full_items", { max_bytes: 200 });
    expect(await failure(kv.items.put("b", { count: 1, note: "x".repeat(300) }))).toMatchObject({
      code: "bucket_full",
    });
    expect((await kv.items.get("a").orThrow())?.value).toEqual({ count: 1 });
  });

  it("lets a key expire and never brings an older value back", async () => {
    const { kv } = await platform.connectService(stock, { name: "expiry" });
    await using watch = collect(kv.items);
    await watch.ready();
    await kv.items.put("a", { count: 1 }).orThrow();
    await kv.items.put("a", { count: 2 }, { ttlMs: 1_000 }).orThrow();
    await eventually(
      "the watch hears of the expiry",
      () => watch.of("a").some((change) => change.type === "end" && change.reason === "expired"),
      6_000,
    );
    expect(await kv.items.get("a").orThrow()).toBeUndefined();
    expect(await kv.items.keys().orThrow()).toEqual([]);
    await kv.items.create("a", { count: 3 }).orThrow();
    // With history the older value would come back when the newer one expires: there must be none left.
    await kv.past.put("a", { count: 1 }).orThrow();
    await kv.past.put("a", { count: 2 }, { ttlMs: 1_000 }).orThrow();
    expect(await kv.past.history("a").orThrow()).toMatchObject([{ value: { count: 2 } }]);
  });

  it("never reads behind its own writes when a replica lags", async () => {
    const { kv } = await platform.connectService(stock, { name: "fresh" });
    for (let count = 0; count < 200; count += 1) {
      await kv.items.put("a", { count }).orThrow();
      expect((await kv.items.get("a").orThrow())?.value.count).toBe(count);
    }
  });
});

describe("a watch", () => {
  it("tells what there is, then every change, by filter", async () => {
    const { kv } = await platform.connectService(stock, { name: "watching" });
    await kv.items.put("eu.bell", { count: 1 }).orThrow();
    await kv.items.put("us.bell", { count: 1 }).orThrow();
    await using watch = collect(kv.items, "eu.>");
    await watch.ready();
    expect(watch.changes).toMatchObject([{ type: "put", key: "eu.bell", value: { count: 1 } }, { type: "ready" }]);
    await kv.items.put("eu.bell", { count: 2 }).orThrow();
    await kv.items.put("us.bell", { count: 2 }).orThrow();
    await kv.items.delete("eu.bell").orThrow();
    await kv.items.purge("eu.bell").orThrow();
    await kv.items.put("eu.bell", { count: 3 }).orThrow();
    await eventually("the last change is told", () =>
      watch.changes.some((change) => change.type === "put" && change.value.count === 3),
    );
    expect(watch.changes.slice(2).map((change) => (change.type === "put" ? change.value.count : change.type))).toEqual([
      2,
      "end",
      3,
    ]);
  });

  it("gives a slow reader the last value of every key", async () => {
    const { kv } = await platform.connectService(stock, { name: "slow" });
    const seen = new Map<string, number>();
    const end = new AbortController();
    let taken = 0;
    const reading = (async () => {
      for await (const change of kv.items.watch(">", { signal: end.signal })) {
        if (change.type !== "put") continue;
        taken += 1;
        seen.set(change.key, change.value.count);
        await pause(20);
      }
    })();
    await Promise.all(Array.from({ length: 2_000 }, (_, count) => kv.items.put(`k${count % 10}`, { count })));
    const last = new Map((await kv.items.entries().orThrow()).map(({ key, value }) => [key, value.count]));
    await eventually("the last values arrive", () => [...last].every(([key, count]) => seen.get(key) === count));
    expect(taken).toBeLessThan(2_000);
    end.abort();
    await reading;
  });
});

describe("what belongs to whom", () => {
  it("keeps two deployments of one contract apart", async () => {
    const one = await platform.connectService(stock, { name: "first" });
    const two = await platform.connectService(stock, { name: "second" });
    await one.kv.items.put("a", { count: 1 }).orThrow();
    await two.kv.items.put("a", { count: 2 }).orThrow();
    expect((await one.kv.items.get("a").orThrow())?.value.count).toBe(1);
    expect((await two.kv.items.get("a").orThrow())?.value.count).toBe(2);
  });

  it("shares them between replicas of one deployment", async () => {
    const one = await platform.connectService(stock, { name: "shared" });
    const two = await platform.connectService(stock, { name: "shared" });
    await one.kv.items.put("a", { count: 1 }).orThrow();
    expect((await two.kv.items.get("a").orThrow())?.value.count).toBe(1);
  });

  it("has its keys in the layout other tools read", async () => {
    const { kv } = await platform.connectService(stock, { name: "layout" });
    await kv.items.put("a.b", { count: 1 }).orThrow();
    const { message } = await data.api("STREAM.MSG.GET.KV_layout_items", { last_by_subj: "$KV.layout_items.a.b" });
    expect(atob(message.data)).toBe('{"count":1}');
    // A value of another tool that breaks the schema is told, not served.
    await data.connection.request("$KV.layout_items.c", "not json");
    expect(await failure(kv.items.get("c"))).toMatchObject({ code: "invalid_value" });
  });
});
