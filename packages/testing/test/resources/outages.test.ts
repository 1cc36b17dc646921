import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { newSeed } from "@trellis/auth";
import { nodeCrypto, nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { portableSha256Stream } from "@trellis/protocol";
import { createStore } from "@trellis/server/internal";
import type { TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { Program } from "../../src/program.ts";
import { collect } from "./collect.ts";
import { openDataAccount } from "./data-account.ts";
import { stock } from "./stock-contract.ts";

let platform: TestPlatform;
let data: Awaited<ReturnType<typeof openDataAccount>>;
let service: TrellisService<typeof stock>;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "trellis-resources-"));
  platform = await startPlatform();
  data = await openDataAccount(platform);
  service = await platform.connectService(stock, { name: "stock" });
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  const [node] = platform.local.nats.nodes;
  await node?.kill("SIGKILL");
  await pause(100);
  await node?.restart();
}

describe("buckets, when the server is killed", () => {
  it("loses no last value over a SIGKILL of the server, and writes go through", { timeout: 60_000 }, async () => {
    const { kv } = service;
    await using watch = collect(kv.items);
    await watch.ready();
    let stop = false;
    const acknowledged = new Map<string, number>();
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let count = 0; !stop; count += 1) {
        const key = `w${writer}.k${count % 5}`;
        const stored = await kv.items.put(key, { count });
        if (stored.ok) acknowledged.set(key, count);
        else throw stored.error;
      }
    });
    await pause(300);
    for (let round = 0; round < 2; round += 1) {
      await restart();
      await pause(1_500);
    }
    stop = true;
    await Promise.all(writers);
    expect(acknowledged.size).toBe(40);
    const stored = new Map((await kv.items.entries("*.*").orThrow()).map(({ key, value }) => [key, value.count]));
    for (const [key, count] of acknowledged) expect(stored.get(key), key).toBe(count);
    await eventually("the watch has the last of everything", () => {
      const told = new Map(
        watch.changes.flatMap((change) => (change.type === "put" ? [[change.key, change.value.count] as const] : [])),
      );
      return [...acknowledged].every(([key, count]) => told.get(key) === count);
    });
  });

  it("increments exactly once per success over a SIGKILL", { timeout: 60_000 }, async () => {
    const { kv } = service;
    await kv.items.put("n", { count: 0 }).orThrow();
    let stop = false;
    let successes = 0;
    const workers = Array.from({ length: 4 }, async () => {
      while (!stop) {
        const entry = await kv.items.get("n", { fresh: true }).orThrow();
        if (entry === undefined) throw new Error("gone");
        const written = await kv.items.update("n", { count: entry.value.count + 1 }, entry.revision);
        if (written.ok) successes += 1;
        else if (written.error.code !== "conflict") throw written.error;
      }
    });
    await pause(300);
    await restart();
    await pause(1_500);
    stop = true;
    await Promise.all(workers);
    expect((await kv.items.get("n").orThrow())?.value.count).toBe(successes);
  });

  it("finds out what went without a trace", async () => {
    const { kv } = service;
    await kv.items.put("gone.a", { count: 1 }).orThrow();
    await kv.items.put("gone.b", { count: 1 }).orThrow();
    await using watch = collect(kv.items);
    await watch.ready();
    // An operator purges a key; nothing is republished. A new connection reads everything again.
    await data.api("STREAM.PURGE.KV_stock_items", { filter: "$KV.stock_items.gone.a" });
    await restart();
    await eventually("the key is told to be gone", () =>
      watch.of("gone.a").some((change) => change.type === "end" && change.reason === "gone"),
    );
    expect(watch.of("gone.b")).toHaveLength(1);
  });
});

describe("object stores, when something is killed", () => {
  it("finish an upload over a SIGKILL of the server, whole", { timeout: 60_000 }, async () => {
    const { files } = service.store;
    const bytes = randomBytes(12_000_000);
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 50_000) {
        yield bytes.subarray(at, at + 50_000);
        if (at % 500_000 === 0) await pause(20);
      }
    }
    const putting = files.put("survivor", slowly());
    await pause(150);
    await restart();
    expect((await putting.orThrow()).size).toBe(bytes.length);
    const chunks: Uint8Array[] = [];
    const { body } = await files.get("survivor").orThrow();
    let killed = false;
    for await (const chunk of body) {
      chunks.push(chunk);
      if (killed || chunks.length < 10) continue;
      killed = true;
      await restart();
    }
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  it("are waited on over a SIGKILL of the server, and a service that stops does not wait any more", async () => {
    await eventually("the admin is back", async () => (await platform.admin.rpc.auth.deploymentsList({})).ok);
    const waits = await platform.connectService(stock, { name: "waits", onNotice: () => undefined });
    const puts = await platform.connectService(stock, { name: "waits", onNotice: () => undefined });
    await puts.store.files.put("there", randomBytes(5)).orThrow();
    expect((await waits.store.files.waitFor("there").orThrow()).size).toBe(5);
    const later = waits.store.files.waitFor("later");
    const never = waits.store.files.waitFor("never");
    await restart();
    await puts.store.files.put("later", randomBytes(7)).orThrow();
    expect((await later.orThrow()).size).toBe(7);
    await waits.stop();
    expect(await never).toMatchObject({ ok: false, error: { code: "unavailable" } });
    await puts.stop();
  });

  it("show nothing of an upload whose process was killed, and remove its parts", { timeout: 60_000 }, async () => {
    const seed = newSeed();
    const seedFile = join(folder, "uploader.seed");
    writeSeedFile(seedFile, seed);
    const sessionKey = nodeSessionKey(seed);
    await eventually(
      "the admin is back",
      async () =>
        (await platform.admin.rpc.auth.instancesProvision({ deployment: "stock", sessionKey: sessionKey.publicKey }))
          .ok,
    );
    {
      await using uploader = new Program(new URL("./uploader-process.ts", import.meta.url), {
        args: [platform.url, seedFile, "orphan"],
      });
      await uploader.said(/uploading/);
    }
    expect(await service.store.files.info("orphan").orThrow()).toBeUndefined();
    const bytes = async (): Promise<number> => (await data.info("OBJ_stock_files")).state.bytes;
    const before = await bytes();
    expect(before).toBeGreaterThan(5_000_000);

    // A replica that looks for remains, by a shorter time than the fifteen minutes of every day.
    const session = await connectSession({
      url: platform.url,
      key: sessionKey,
      contract: stock,
      kind: "service",
      crypto: nodeCrypto,
      connect: nodeConnect,
      transport: "tcp",
    });
    try {
      const binding = session.facts.bindings.store["files"];
      if (binding === undefined) throw new Error("no binding");
      const failures: unknown[] = [];
      createStore({
        link: session.link,
        binding: () => binding,
        newHash: portableSha256Stream,
        onTrouble: (error) => failures.push(error),
        times: { firstMs: 50, everyMs: 300, silenceMs: 1_000 },
      });
      // Meanwhile one that is alive goes on, and what is stored stays.
      async function* alive(): AsyncGenerator<Uint8Array> {
        yield randomBytes(200_000);
        await pause(500);
        yield randomBytes(200_000);
      }
      await service.store.files.put("alive", alive()).orThrow();
      await eventually("the remains are gone", async () => (await bytes()) < before - 4_000_000, 15_000);
      expect((await service.store.files.info("alive").orThrow())?.size).toBe(400_000);
      const { body } = await service.store.files.get("alive").orThrow();
      let read = 0;
      for await (const chunk of body) read += chunk.length;
      expect(read).toBe(400_000);

      // One that was silent for longer is given up: it cannot show what has no parts any more.
      async function* silent(): AsyncGenerator<Uint8Array> {
        yield randomBytes(200_000);
        await pause(3_500);
        yield randomBytes(200_000);
      }
      const late = await service.store.files.put("silent", silent());
      expect(!late.ok && late.error.code).toBe("interrupted");
      expect(await service.store.files.info("silent").orThrow()).toBeUndefined();
      expect(failures).toEqual([]);
    } finally {
      await session.close();
    }
  });
});
