import { setTimeout as pause } from "node:timers/promises";
import { type TrellisService, SILENT_LOG } from "@trellis/server/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { shipping, shop } from "./contracts.ts";
import { eventually } from "./eventually.ts";
import { connectRaw } from "./raw-connection.ts";

let platform: TestPlatform;
let seller: TrellisService<typeof shop>;
beforeAll(async () => {
  platform = await startPlatform();
  seller = await platform.connectService(shop, { name: "shop", log: SILENT_LOG });
  await seller.start();
});
afterAll(() => platform.stop());

type Handler = (id: string, attempt: number) => void | Promise<void>;

async function replica(name: string, handler: Handler, drainMs = 5_000) {
  const service = await platform.connectService(shipping, { name, log: SILENT_LOG, limits: { drainMs } });
  service.handle.events.parcels({
    "Shop.Ordered": ({ event, attempt }) => handler(event.id, attempt),
    "Shop.Noted": () => undefined,
  });
  await service.start();
  return service;
}

async function publish(...ids: readonly string[]): Promise<void> {
  for (const id of ids) await seller.event.shop.ordered.publish({ id, status: "placed", n: 0 }).orThrow();
}

async function out(deployment: string): Promise<number> {
  const { groups } = await platform.admin.rpc.trellis.eventsGroupsList({ deployment }).orThrow();
  return groups.reduce((sum, { inFlight }) => sum + inFlight, 0);
}

const numbered = (count: number, what: string) => Array.from({ length: count }, (_, n) => `${what} ${n}`);

it("has many events out, handles them one after the other, and keeps a failed one in hand", async () => {
  const seen: string[] = [];
  let running = 0;
  let most = 0;
  const failing = Promise.withResolvers<void>();
  const service = await replica("one-by-one", async (id, attempt) => {
    most = Math.max(most, (running += 1));
    if (id === "busy 60") await failing.promise;
    running -= 1;
    seen.push(`${id}#${attempt}`);
    if (id === "busy 60" && attempt < 3) throw new Error("again");
  });
  const ids = numbered(200, "busy");
  await publish(...ids);
  await eventually(() => expect(seen).toHaveLength(60));
  await eventually(async () => expect(await out("one-by-one")).toBeGreaterThan(16));
  failing.resolve();
  await eventually(() => expect(seen).toHaveLength(202));
  expect(seen).toEqual(ids.flatMap((id) => (id === "busy 60" ? [1, 2, 3] : [1]).map((n) => `${id}#${n}`)));
  expect(most).toBe(1);
  await eventually(async () => expect(await out("one-by-one")).toBe(0));
  await service.stop();
});

it("of what is slow it has little in hand: the rest is not delivered in vain when it stops", async () => {
  const seen: string[] = [];
  const slow = (id: string, attempt: number) => {
    seen.push(`${id}#${attempt}`);
    return pause(300);
  };
  const first = await replica("slow", slow);
  await publish(...numbered(12, "slow"));
  await eventually(() => expect(seen).toHaveLength(3));
  await first.stop();
  const second = await replica("slow", slow);
  await eventually(() => expect(seen).toHaveLength(12), 20_000);
  expect(seen.map((line) => line.split("#")[0])).toEqual(numbered(12, "slow"));
  expect(seen.slice(5).every((line) => line.endsWith("#1"))).toBe(true);
  await second.stop();
}, 60_000);

it("another replica begins nothing before the one that stops has ended what it began, however long that takes", async () => {
  const did: string[] = [];
  const release = Promise.withResolvers<void>();
  const first = await replica(
    "handed-over",
    async (id) => {
      if (id === "h 50") await release.promise;
      did.push(`first ${id}`);
    },
    60_000,
  );
  const ids = numbered(100, "h");
  await publish(...ids);
  await eventually(() => expect(did).toHaveLength(50));
  await eventually(async () => expect(await out("handed-over")).toBeGreaterThan(2));
  const second = await replica("handed-over", (id) => void did.push(`second ${id}`));
  const stopped = first.stop();
  // Longer than a replica that says nothing keeps its turn.
  await pause(9_000);
  await publish("h 100");
  await pause(500);
  expect(did).toHaveLength(50);
  release.resolve();
  await stopped;
  await eventually(() => expect(did).toHaveLength(101), 30_000);
  expect(did).toEqual([...ids, "h 100"].map((id, n) => `${n <= 50 ? "first" : "second"} ${id}`));
  await second.stop();
}, 60_000);

it("an event that was sent and did not arrive is waited for: later ones do not pass it", async () => {
  const seen: string[] = [];
  const service = await replica("missing", (id) => void seen.push(id));
  const data = await connectRaw(platform, "DATA");
  const ask = "$JS.API.CONSUMER.MSG.NEXT.EVENTS.missing_parcels";
  let turn: string | undefined;
  const spy = data.subscribe(ask, {
    callback: (_, message) => {
      turn = message.json<{ readonly id?: string }>().id ?? turn;
    },
  });
  await data.flush();
  await publish("m 0");
  await eventually(() => expect(turn).toBeDefined());
  spy.unsubscribe();
  // Whatever is asked for in its name goes elsewhere: to the replica it is lost.
  const lost: string[] = [];
  const inbox = data.subscribe("lost", { callback: (_, message) => void lost.push(message.subject) });
  await data.flush();
  data.publish(ask, JSON.stringify({ batch: 1, expires: 20_000_000_000, group: "one", id: turn }), { reply: "lost" });
  await data.flush();
  const ids = numbered(20, "m");
  await publish(...ids.slice(1));
  await eventually(() => expect(lost.filter((subject) => subject.includes("Ordered"))).toHaveLength(1));
  inbox.unsubscribe();
  await eventually(() => expect(seen).toHaveLength(20), 30_000);
  expect(seen).toEqual(ids);
  await Promise.all([service.stop(), data.close()]);
}, 60_000);

it("gives up what it has in hand when the server says that it is another's turn", async () => {
  const reasons: unknown[] = [];
  const service = await platform.connectService(shipping, { name: "robbed", log: SILENT_LOG });
  service.handle.events.parcels(async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reasons.push(signal.reason);
  });
  await service.start();
  await publish("r 0");
  await eventually(async () => expect(await out("robbed")).toBe(1));
  const data = await connectRaw(platform, "DATA");
  data.subscribe("robber", { callback: () => undefined });
  const ask = JSON.stringify({ batch: 10, expires: 20_000_000_000, group: "one" });
  data.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.robbed_parcels", ask, { reply: "robber" });
  await data.request("$JS.API.CONSUMER.UNPIN.EVENTS.robbed_parcels", JSON.stringify({ group: "one" }));
  await publish("r 1");
  await eventually(() => expect(reasons).toHaveLength(1));
  expect(String(reasons[0])).toContain("another replica's turn");
  await Promise.all([service.stop(), data.close()]);
}, 30_000);

it("keeps the order also where an older control plane lets one event be out and knows of no turns", async () => {
  const seen: string[] = [];
  const data = await connectRaw(platform, "DATA");
  const first = await replica("older-plane", (id) => void seen.push(id));
  const consumer = "EVENTS.older-plane_parcels";
  const info = await data.request(`$JS.API.CONSUMER.INFO.${consumer}`);
  const { config } = info.json<{ readonly config: object }>();
  const older = { ...config, max_ack_pending: 1, priority_groups: [], priority_policy: "none", priority_timeout: 0 };
  const changed = await data.request(
    `$JS.API.CONSUMER.CREATE.${consumer}`,
    JSON.stringify({ stream_name: "EVENTS", config: older, action: "update" }),
  );
  expect(changed.json()).toMatchObject({ config: { max_ack_pending: 1 } });
  const second = await replica("older-plane", (id) => void seen.push(id));
  const ids = numbered(100, "o");
  await publish(...ids);
  await eventually(() => expect(seen).toHaveLength(100));
  expect(seen).toEqual(ids);
  await Promise.all([first.stop(), second.stop(), data.close()]);
});

it("one that has just begun waits for what a turn before it had out, when the server has forgotten that turn", async () => {
  const seen: string[] = [];
  const first = await replica("fresh", (id) => void seen.push(id));
  await publish("f 0");
  await eventually(() => expect(seen).toHaveLength(1));
  await first.stop();
  const data = await connectRaw(platform, "DATA");
  const forget = () => data.request("$JS.API.CONSUMER.UNPIN.EVENTS.fresh_parcels", JSON.stringify({ group: "one" }));
  await forget();
  let taken = 0;
  data.subscribe("dying", { callback: () => void (taken += 1) });
  const ask = JSON.stringify({ batch: 3, expires: 20_000_000_000, group: "one" });
  data.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.fresh_parcels", ask, { reply: "dying" });
  await data.flush();
  await publish("f 1", "f 2", "f 3");
  await eventually(() => expect(taken).toBe(3));
  await forget();
  const second = await replica("fresh", (id) => void seen.push(id));
  await publish("f 4");
  await eventually(() => expect(seen).toHaveLength(5), 30_000);
  expect(seen).toEqual(numbered(5, "f"));
  await Promise.all([second.stop(), data.close()]);
}, 60_000);
