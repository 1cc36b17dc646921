import { setTimeout as pause } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { balance, handOver, metric, spawnControlPlane } from "../resilience/kit/control-planes.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { collectState } from "./collect-state.ts";
import { notes } from "./notes-contract.ts";

const PATIENCE_MS = 60_000;

describe("watching", () => {
  let platform: TestPlatform;
  let here: TrellisClient<typeof notes>;
  let there: TrellisClient<typeof notes>;
  beforeAll(async () => {
    platform = await startPlatform();
    here = await platform.connectClient(notes);
    there = await platform.connectClient(notes);
  });
  afterAll(() => platform?.stop());

  it("tells what there is, that it is all, and what another session changes", async () => {
    await here.state.notes.put("a", { text: "1" }).orThrow();
    await using watch = collectState((options) => there.state.notes.watch(options));
    await watch.ready();
    await here.state.notes.put("a", { text: "2" }).orThrow();
    await here.state.notes.put("b/c", { text: "3" }, { ttlMs: 1_000 }).orThrow();
    await here.state.notes.delete("a").orThrow();
    await eventually("the end of b/c is told", () => watch.changes.length >= 6);
    expect(watch.changes).toMatchObject([
      { type: "put", key: "a", value: { text: "1" } },
      { type: "ready" },
      { type: "put", key: "a", value: { text: "2" } },
      { type: "put", key: "b/c", value: { text: "3" } },
      { type: "end", key: "a", reason: "deleted" },
      { type: "end", key: "b/c", reason: "expired" },
    ]);
  });

  it("of one value, or of a prefix, tells of nothing else", async () => {
    await using value = collectState((options) => there.state.preferences.watch(options));
    await using drafts = collectState((options) => there.state.notes.watch({ ...options, prefix: "drafts/2" }));
    await Promise.all([value.ready(), drafts.ready()]);
    for (const key of ["x", "drafts/1", "drafts/2024/a", "drafts"])
      await here.state.notes.put(key, { text: key }).orThrow();
    await here.state.preferences.put({ theme: "dark", size: 1 }).orThrow();
    await here.state.preferences.delete().orThrow();
    await eventually("both have heard", () => value.changes.length >= 3 && drafts.changes.length >= 2);
    expect(value.changes).toMatchObject([
      { type: "ready" },
      { type: "put", value: { theme: "dark" } },
      { type: "end", reason: "deleted" },
    ]);
    expect(drafts.changes).toMatchObject([{ type: "ready" }, { type: "put", key: "drafts/2024/a" }]);
    for (const key of ["x", "drafts/1", "drafts/2024/a", "drafts"]) await here.state.notes.delete(key).orThrow();
  });

  it("does not hold large values for a slow reader, and tells them all the same", async () => {
    const text = "x".repeat(20_000);
    const keys = Array.from({ length: 20 }, (_, n) => `large/${n}`);
    for (const key of keys) await here.state.notes.put(key, { text }).orThrow();
    const told: string[] = [];
    const stop = new AbortController();
    for await (const change of there.state.notes.watch({ prefix: "large/", signal: stop.signal })) {
      if (change.type === "ready") break;
      if (change.type === "put" && change.value?.text.length === text.length) told.push(change.key);
      await pause(1);
    }
    expect(told).toEqual(keys);
    for (const key of keys) await here.state.notes.delete(key).orThrow();
  });

  it("ends when the loop is left and when its client goes, and nothing stays open", async () => {
    const open = () => metric(platform.url, "trellis_open_feeds");
    const before = await open();
    const leaving = await platform.connectClient(notes, QUIET);
    const loops = Array.from({ length: 10 }, async () => {
      for await (const change of leaving.state.notes.watch()) if (change.type === "ready") return;
    });
    await Promise.all(loops);
    const staying = Array.from({ length: 10 }, () => collectState((options) => leaving.state.notes.watch(options)));
    await Promise.all(staying.map((watch) => watch.ready()));
    expect(await open()).toBe(before + 10);
    await leaving.close();
    await eventually("they are closed", async () => (await open()) === before, PATIENCE_MS);
  });
});

describe("watching, when something dies", () => {
  it(
    "misses nothing over SIGKILLs of a control plane and of NATS, and a dead replica's writes happen once",
    { timeout: 600_000 },
    async () => {
      await using platform = await startPlatform({ config: { stateRequestsPerSecond: 5_000 } });
      const env = { TRELLIS_STATE_REQUESTS_PER_SECOND: "5000" };
      let replicas = await handOver(platform, env);
      await using door = await balance(replicas.map(({ url }) => url));
      try {
        const writer = await platform.connectClient(notes, { url: door.url, ...QUIET });
        const reader = await platform.connectClient(notes, { url: door.url, ...QUIET });
        await using watch = collectState((options) => reader.state.notes.watch(options));
        await watch.ready();
        let stop = false;
        const acknowledged = new Map<string, string>();
        const writers = Array.from({ length: 4 }, async (_, w) => {
          for (let n = 0; !stop; n += 1) {
            const [key, text] = [`w${w}/k${n % 5}`, `${w} ${n}`];
            // Every third is deleted again, so that ends are missed as well.
            if (n % 3 === 0 && acknowledged.delete(key)) await writer.state.notes.delete(key, PATIENT).orThrow();
            else {
              await writer.state.notes.put(key, { text }, PATIENT).orThrow();
              acknowledged.set(key, text);
            }
          }
        });
        // Each increment is acknowledged at most once, whichever replica carried it out.
        let increments = 0;
        const counting = (async () => {
          while (!stop) {
            const now = await writer.state.preferences.get(PATIENT).orThrow();
            const put = await writer.state.preferences.put(
              { theme: "n", size: (now?.value?.size ?? 0) + 1 },
              { expectedRevision: now?.revision ?? 0, ...PATIENT },
            );
            if (!put.ok) throw put.error;
            increments += 1;
          }
        })();
        const enough = async (): Promise<void> => {
          const [from, heard] = [increments, watch.changes.length];
          await eventually(
            "it goes on",
            () => increments > from + 20 && watch.changes.length > heard + 20,
            PATIENCE_MS,
          );
        };
        await enough();
        await replicas[0].program.kill();
        replicas = [replicas[1], await spawnControlPlane(platform.local, env)];
        await enough();
        const [node] = platform.local.nats.nodes;
        await node?.kill("SIGKILL");
        await node?.restart();
        await enough();
        stop = true;
        await Promise.all([...writers, counting]);
        expect((await writer.state.preferences.get(PATIENT).orThrow())?.value?.size).toBe(increments);
        await eventually(
          "the watch knows what is there, and nothing else",
          () => {
            const known = new Map<string, string>();
            for (const change of watch.changes) {
              if (change.type === "put" && change.value !== undefined) known.set(change.key, change.value.text);
              if (change.type === "end") known.delete(change.key);
            }
            return (
              known.size === acknowledged.size && [...acknowledged].every(([key, text]) => known.get(key) === text)
            );
          },
          PATIENCE_MS,
        );
      } finally {
        await Promise.all(replicas.map(({ program }) => program.kill()));
      }
    },
  );
});

/** Over an outage of everything. */
const PATIENT = { timeoutMs: PATIENCE_MS };
