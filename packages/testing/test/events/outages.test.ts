import { setTimeout as pause } from "node:timers/promises";
import { SILENT_LOG } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { handOverToOne } from "../resilience/kit/control-planes.ts";
import { shipping, shop } from "./contracts.ts";
import { eventually } from "./eventually.ts";
import { connectRaw } from "./raw-connection.ts";

const order = (id: string, n = 0) => ({ id, status: "placed", n });

describe("events through outages", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform({ config: { reconcileSweepMs: 500 } });
  });
  afterAll(() => platform.stop());

  it("a SIGKILL of nats-server under load loses nothing that was confirmed, and stores nothing twice", async () => {
    const seller = await platform.connectService(shop, { name: "shop", log: SILENT_LOG });
    await seller.start();
    const desk = await platform.connectService(shipping, { name: "desk", log: SILENT_LOG });
    const handled = new Map<string, number>();
    desk.handle.events.parcels((context) => {
      if (context.name === "Shop.Ordered") handled.set(context.event.id, (handled.get(context.event.id) ?? 0) + 1);
    });
    await desk.start();
    const confirmed: string[] = [];
    const sequences = new Set<number>();
    let stop = false;
    const publishing = Promise.all(
      Array.from({ length: 32 }, async (_, lane) => {
        for (let n = 0; !stop; n += 1) {
          const id = `${lane}-${n}`;
          const { sequence } = await seller.event.shop.ordered.publish(order(id)).orThrow();
          confirmed.push(id);
          sequences.add(sequence);
        }
      }),
    );
    const [node] = platform.local.nats.nodes;
    for (let kill = 0; kill < 3; kill += 1) {
      const before = confirmed.length;
      await eventually(() => expect(confirmed.length).toBeGreaterThan(before + 200), 20_000);
      await node?.kill("SIGKILL");
      await node?.restart();
    }
    const before = confirmed.length;
    await eventually(() => expect(confirmed.length).toBeGreaterThan(before + 200), 20_000);
    stop = true;
    await publishing;
    await eventually(() => {
      const missing = confirmed.filter((id) => !handled.has(id));
      if (missing.length > 0)
        throw new Error(`${missing.length} of ${confirmed.length} not handled, such as ${missing[0]}`);
    }, 60_000);
    expect(sequences.size).toBe(confirmed.length);
    // Every event is in the stream once: ids kept a repeated publish from being stored again.
    const data = await connectRaw(platform, "DATA");
    const info = (
      await data.request("$JS.API.STREAM.INFO.EVENTS", JSON.stringify({ subjects_filter: "events.v1.Shop.Ordered.>" }))
    ).json<{
      state: { subjects?: { [subject: string]: number } };
    }>();
    expect(info.state.subjects?.["events.v1.Shop.Ordered.placed"]).toBe(confirmed.length);
    await data.close();
    await Promise.all([seller.stop(), desk.stop()]);
  }, 120_000);

  it("a consumer deleted behind our back comes again and goes on where it was", async () => {
    const seller = await platform.connectService(shop, { name: "shop2", log: SILENT_LOG });
    await seller.start();
    const desk = await platform.connectService(shipping, { name: "desk2", log: SILENT_LOG });
    const handled: string[] = [];
    desk.handle.events.parcels((context) => {
      if (context.name === "Shop.Ordered") handled.push(context.event.id);
    });
    await desk.start();
    await seller.event.shop.ordered.publish(order("before")).orThrow();
    await eventually(() => expect(handled).toEqual(["before"]));
    const data = await connectRaw(platform, "DATA");
    const deleted = (await data.request("$JS.API.CONSUMER.DELETE.EVENTS.desk2_parcels", "")).json<{
      success: boolean;
    }>();
    expect(deleted.success).toBe(true);
    // Published while there is no consumer: it must not be skipped.
    await seller.event.shop.ordered.publish(order("between")).orThrow();
    await eventually(() => expect(handled).toContain("between"), 30_000);
    await seller.event.shop.ordered.publish(order("after")).orThrow();
    await eventually(() => expect(handled.at(-1)).toBe("after"));
    await data.close();
    await Promise.all([seller.stop(), desk.stop()]);
  }, 60_000);

  it("a stream deleted behind our back with all its consumers comes again, and nothing new is skipped", async () => {
    const seller = await platform.connectService(shop, { name: "shop3", log: SILENT_LOG });
    await seller.start();
    const desk = await platform.connectService(shipping, { name: "desk3", log: SILENT_LOG });
    const handled: string[] = [];
    desk.handle.events.parcels((context) => {
      if (context.name === "Shop.Ordered") handled.push(context.event.id);
    });
    await desk.start();
    for (let n = 0; n < 20; n += 1) await seller.event.shop.ordered.publish(order(`before ${n}`)).orThrow();
    await eventually(() => expect(handled).toHaveLength(20));
    // The platform has seen how far the group was.
    await pause(1_500);
    const data = await connectRaw(platform, "DATA");
    await data.request("$JS.API.STREAM.DELETE.EVENTS", "");
    const after = Array.from({ length: 5 }, (_, n) => `after ${n}`);
    for (const id of after)
      await eventually(async () => {
        await seller.event.shop.ordered.publish(order(id)).orThrow();
      }, 30_000);
    await eventually(() => expect(new Set(handled)).toEqual(new Set([...handled.slice(0, 20), ...after])), 30_000);
    await data.close();
    await Promise.all([seller.stop(), desk.stop()]);
  }, 60_000);

  it("a paused group stays paused when its consumer is deleted, and when the platform begins anew", async () => {
    const { eventsGroupsList, eventsGroupsPause, eventsGroupsResume } = platform.admin.rpc.trellis;
    const seller = await platform.connectService(shop, { name: "shop4", log: SILENT_LOG });
    await seller.start();
    const desk = await platform.connectService(shipping, { name: "desk4", log: SILENT_LOG });
    const handled: string[] = [];
    desk.handle.events.parcels((context) => {
      if (context.name === "Shop.Ordered") handled.push(context.event.id);
    });
    await desk.start();
    const group = { deployment: "desk4", group: "parcels" };
    await eventsGroupsPause(group).orThrow();
    await pause(1_500);
    const data = await connectRaw(platform, "DATA");
    await data.request("$JS.API.CONSUMER.DELETE.EVENTS.desk4_parcels", "");
    const stays = async (id: string) => {
      await seller.event.shop.ordered.publish(order(id)).orThrow();
      await eventually(async () => {
        const { groups } = await eventsGroupsList({ deployment: "desk4" }).orThrow();
        expect(groups).toMatchObject([{ pausedUntil: expect.any(String) }]);
        expect(groups[0]?.pending).toBeGreaterThan(0);
      }, 30_000);
      expect(handled).not.toContain(id);
    };
    await stays("deleted");
    await using replica = (await handOverToOne(platform)).program;
    const [node] = platform.local.nats.nodes;
    await node?.kill("SIGKILL");
    await node?.restart();
    await pause(2_000);
    await stays("begun anew");
    void replica;
    await eventsGroupsResume(group).orThrow();
    await eventually(() => expect(handled).toEqual(expect.arrayContaining(["deleted", "begun anew"])), 30_000);
    await data.close();
    await Promise.all([seller.stop(), desk.stop()]);
  }, 90_000);
});

describe("a full event stream", () => {
  it("drops its oldest events, takes new ones, and a group goes on with what is left", async () => {
    await using platform = await startPlatform({ config: { eventsMaxBytes: 1024 * 1024 } });
    const seller = await platform.connectService(shop, { name: "shop", log: SILENT_LOG });
    await seller.start();
    const desk = await platform.connectService(shipping, { name: "desk", log: SILENT_LOG });
    const handled: string[] = [];
    desk.handle.events.parcels((context) => {
      if (context.name === "Shop.Noted") handled.push(context.event.text.slice(0, 8));
    });
    await desk.start();
    await platform.admin.rpc.trellis.eventsGroupsPause({ deployment: "desk", group: "parcels" }).orThrow();
    for (let n = 0; n < 40; n += 1) {
      const text = `${String(n).padStart(8, "0")}${"x".repeat(100_000)}`;
      await seller.event.shop.noted.publish({ text }).orThrow();
    }
    await platform.admin.rpc.trellis.eventsGroupsResume({ deployment: "desk", group: "parcels" }).orThrow();
    await eventually(() => expect(handled.at(-1)).toBe("00000039"));
    expect(handled.length).toBeLessThan(12);
    expect(handled[0]).not.toBe("00000000");
    const tooLarge = await seller.event.shop.noted.publish({ text: "x".repeat(1_040_000) }, { timeoutMs: 3_000 });
    if (!tooLarge.ok) expect(tooLarge.error.message).toMatch(/full|large|not stored/);
  }, 60_000);
});
