import { headers } from "@nats-io/nats-core";
import { defineServiceContract } from "@trellis/contracts";
import { TransportError, ValidationError } from "@trellis/protocol";
import { err, ok, orThrow } from "@trellis/result";
import type { TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { billing, gauge, probes, screen, shipping, shop } from "./contracts.ts";
import { eventually } from "./eventually.ts";
import { connectRaw } from "./raw-connection.ts";

let platform: TestPlatform;
let seller: TrellisService<typeof shop>;
beforeAll(async () => {
  platform = await startPlatform();
  seller = await platform.connectService(shop, { name: "shop" });
  await seller.start();
});
afterAll(() => platform.stop());

const order = (id: string, status = "placed", n = 0) => ({ id, status, n });

describe("publishing", () => {
  it("resolves with the event's place once storage has it, and stores an id once", async () => {
    const first = await seller.event.shop.ordered.publish(order("p1")).orThrow();
    expect(first).toMatchObject({ duplicate: false });
    expect(first.id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    const again = await seller.event.shop.ordered.publish(order("p1"), { id: first.id }).orThrow();
    expect(again).toEqual({ id: first.id, sequence: first.sequence, duplicate: true });
  });

  it("refuses what the contract does not describe, before sending", async () => {
    // @ts-expect-error a number is no text
    const wrong = await seller.event.shop.ordered.publish({ id: 1, status: "placed", n: 0 });
    expect(!wrong.ok && wrong.error).toBeInstanceOf(ValidationError);
    expect(!wrong.ok && wrong.error.message).toContain("Shop.Ordered");
    const badId = await seller.event.shop.noted.publish({ text: "x" }, { id: "two words" });
    expect(!badId.ok && badId.error).toBeInstanceOf(ValidationError);
  });

  it("carries almost a megabyte, and says clearly when it is more", async () => {
    await seller.event.shop.noted.publish({ text: "x".repeat(1_000_000) }).orThrow();
    const tooLarge = await seller.event.shop.noted.publish({ text: "x".repeat(9_000_000) });
    expect(!tooLarge.ok && tooLarge.error).toMatchObject({ code: "payload_too_large" });
    expect(!tooLarge.ok && tooLarge.error.message).toContain("Shop.Noted has 9000011 bytes");
  });
});

describe("preparing", () => {
  it("settles everything as plain data, which is published later as it was, once", async () => {
    const client = await platform.connectClient(screen);
    await using listener = client.event.shop.ordered.listen();
    await listener.ready;
    const prepared = orThrow(seller.event.shop.ordered.prepare(order("q1")));
    expect(prepared).toMatchObject({
      name: "Shop.Ordered",
      subject: "events.v1.Shop.Ordered.placed",
      body: JSON.stringify(order("q1")),
    });
    const stored: typeof prepared = JSON.parse(JSON.stringify(prepared));
    expect(stored).toEqual(prepared);
    const first = await seller.client.publishPrepared(stored).orThrow();
    expect(first).toMatchObject({ id: prepared.id, duplicate: false });
    expect(await seller.client.publishPrepared(stored).orThrow()).toEqual({ ...first, duplicate: true });
    const heard = (await listener.next()).value;
    expect(heard).toMatchObject({ event: order("q1"), id: prepared.id });
    expect(heard?.at.toISOString()).toBe(prepared.headers["trellis-time"]);
  });

  it("refuses what could never be sent, while it can still be undone", async () => {
    // @ts-expect-error a number is no text
    const wrong = seller.event.shop.ordered.prepare({ id: 1, status: "placed", n: 0 });
    expect(!wrong.ok && wrong.error).toBeInstanceOf(ValidationError);
    const tooLarge = seller.event.shop.noted.prepare({ text: "x".repeat(9_000_000) });
    expect(!tooLarge.ok && tooLarge.error).toMatchObject({ code: "payload_too_large" });
    const client = await platform.connectClient(screen);
    const prepared = orThrow(seller.event.shop.ordered.prepare(order("q2")));
    const notItsOwn = await client.publishPrepared(prepared);
    expect(!notItsOwn.ok && notItsOwn.error.message).toContain("publishes no event Shop.Ordered");
    const moved = await seller.client.publishPrepared({ ...prepared, subject: "events.v1.Shop.Noted" });
    expect(!moved.ok && moved.error.message).toContain("prepared for events.v1.Shop.Noted");
  });
});

describe("listening", () => {
  it("hears live events, all or those with a value in their subject, each once", async () => {
    const client = await platform.connectClient(screen);
    await using all = client.event.shop.ordered.listen();
    await using refused = client.event.shop.ordered.listen({ where: { status: "re.fused *" } });
    await Promise.all([all.ready, refused.ready]);
    const { id } = await seller.event.shop.ordered.publish(order("l1")).orThrow();
    await seller.event.shop.ordered.publish(order("l1"), { id }).orThrow();
    await seller.event.shop.ordered.publish(order("l2", "re.fused *")).orThrow();
    expect((await all.next()).value).toMatchObject({
      event: order("l1"),
      id,
      subject: "events.v1.Shop.Ordered.placed",
    });
    expect((await all.next()).value?.event.id).toBe("l2");
    expect((await refused.next()).value?.event.id).toBe("l2");
    // @ts-expect-error there is no such parameter
    expect(() => client.event.shop.ordered.listen({ where: { colour: "red" } })).toThrow("it has status");
  });

  it("hears those with several values, whichever of the parameters they are and however they are written", async () => {
    const service = await platform.connectService(probes, { name: "probes" });
    await service.start();
    const client = await platform.connectClient(gauge);
    const { read } = client.event.probe;
    const wheres = [{ level: 2 }, { place: "", hot: true }, { place: "eu.*", level: 20, hot: true }, {}];
    const listeners = wheres.map((where) => read.listen({ where }));
    await Promise.all(listeners.map(({ ready }) => ready));
    const readings = [
      { place: "", level: 1, hot: true },
      { place: "eu", level: 2, hot: false },
      { place: "eu.*", level: 20, hot: true },
      { place: "", level: 2, hot: true },
      { place: "last", level: 2, hot: true },
    ];
    const heard = listeners.map(async (listener, at) => {
      const found: number[] = [];
      for await (const { event } of listener) {
        found.push(readings.findIndex((each) => JSON.stringify(each) === JSON.stringify(event)));
        if (found.length === [3, 2, 1, 5][at]) break;
      }
      return found;
    });
    for (const reading of readings) await service.event.probe.read.publish(reading).orThrow();
    expect(await Promise.all(heard)).toEqual([[1, 3, 4], [0, 3], [2], [0, 1, 2, 3, 4]]);
    await service.stop();
  });

  it("reports what is not the event it says it is, and goes on", async () => {
    const client = await platform.connectClient(screen);
    const problems: unknown[] = [];
    const signal = new AbortController();
    const listener = client.event.shop.ordered.listen({
      onProblem: (problem) => problems.push(problem),
      signal: signal.signal,
    });
    await listener.ready;
    const connection = await connectRaw(platform, "TRELLIS");
    const raw = (subject: string, body: string, id?: string): void => {
      const head = headers();
      if (id !== undefined) head.set("Nats-Msg-Id", id);
      connection.publish(subject, body, { headers: head });
    };
    raw("events.v1.Shop.Ordered.placed", "not json", "raw1");
    raw("events.v1.Shop.Ordered.placed", JSON.stringify({ id: "x" }), "raw2");
    raw("events.v1.Shop.Ordered.shipped", JSON.stringify(order("lie")), "raw3");
    raw("events.v1.Shop.Ordered.placed", JSON.stringify(order("nobody's")));
    // Two connections: what this one sent must be there before the other one publishes.
    await connection.flush();
    await seller.event.shop.ordered.publish(order("l3")).orThrow();
    expect((await listener.next()).value?.event.id).toBe("l3");
    expect(problems).toHaveLength(4);
    expect(problems[3]).toMatchObject({ issues: [{ message: expect.stringContaining("nobody published it") }] });
    expect(problems[2]).toMatchObject({
      kind: "invalid",
      issues: [{ message: expect.stringContaining("does not say") }],
    });
    signal.abort();
    expect((await listener.next()).done).toBe(true);
    await connection.close();
  });
});

describe("consuming", () => {
  it("handles each event once, in order, with its facts, and tries a failed one again", async () => {
    const service = await platform.connectService(shipping, { name: "shipping" });
    const seen: string[] = [];
    service.handle.events.parcels({
      "Shop.Ordered": ({ event, attempt, id, subject, consumer }) => {
        expect(consumer).toBe("shipping.parcels");
        seen.push(`${event.id}#${attempt}`);
        expect(id).toMatch(/^[0-9A-Z]{26}$/);
        expect(subject).toBe(`events.v1.Shop.Ordered.${event.status}`);
        if (event.id === "c2" && attempt === 1) throw new Error("not now");
        if (event.id === "c2" && attempt === 2) return err(new TransportError("retry_later"));
        return ok();
      },
      "Shop.Noted": () => undefined,
    });
    await service.start();
    for (const id of ["c1", "c2", "c3"]) await seller.event.shop.ordered.publish(order(id)).orThrow();
    await eventually(() => expect(seen).toEqual(["c1#1", "c2#1", "c2#2", "c2#3", "c3#1"]));
    await service.stop();
  });

  it("lets events of different subjects pass each other, never those of one subject", async () => {
    const service = await platform.connectService(billing, { name: "billing" });
    const done: string[] = [];
    let running = 0;
    let most = 0;
    service.handle.events.invoices(async ({ event, attempt }) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, event.n));
      running -= 1;
      if (event.id === "k2" && attempt < 3) throw new Error("again");
      done.push(event.id);
    });
    await service.start();
    // Slow ones of one subject first, then quick ones of others.
    await Promise.all([
      (async () => {
        for (const id of ["k1", "k2", "k3"]) await seller.event.shop.ordered.publish(order(id, "same", 50)).orThrow();
      })(),
      ...["a", "b", "c", "d"].map((id) => seller.event.shop.ordered.publish(order(id, id, 20)).orThrow()),
    ]);
    await eventually(() => expect(done).toHaveLength(7));
    expect(done.filter((id) => id.startsWith("k"))).toEqual(["k1", "k2", "k3"]);
    expect(done.indexOf("a")).toBeLessThan(done.indexOf("k3"));
    expect(most).toBeGreaterThan(1);
    await service.stop();
  });

  it("begins once what another replica had in hand, all of it at a time", async () => {
    const begun: string[] = [];
    const open = async (handler: (id: string) => Promise<void>) => {
      const service = await platform.connectService(billing, { name: "taken-over", limits: { drainMs: 100 } });
      service.handle.events.invoices(({ event }) => handler(event.id));
      await service.start();
      return service;
    };
    let held = 0;
    const first = await open(() => {
      held += 1;
      return new Promise(() => {});
    });
    // As many as may be out: the last to come completes what is collected.
    const ids = Array.from({ length: 32 }, (_, n) => `m${n}`);
    for (const id of ids) await seller.event.shop.ordered.publish(order(id, id)).orThrow();
    await eventually(() => expect(held).toBe(ids.length));
    const second = await open((id) => {
      begun.push(id);
      return new Promise((resolve) => setTimeout(resolve, 50));
    });
    await first.stop();
    await seller.event.shop.ordered.publish(order("last")).orThrow();
    await eventually(() => expect(begun).toContain("last"));
    expect(begun.toSorted()).toEqual([...ids, "last"].toSorted());
    await second.stop();
  });

  it("goes on where it was when its contract changes it from strict order to side by side and back", async () => {
    const deskOf = (consumer: { readonly concurrency: number; readonly ackWaitMs: number }) =>
      defineServiceContract({}, () => ({
        id: "changing@v1",
        displayName: "Changing",
        description: "Handles orders one way or another.",
        uses: { required: { shop: shop.use({ events: { subscribe: ["Shop.Ordered"] } }) } },
        eventConsumers: { orders: { uses: { shop: ["Shop.Ordered"] }, ...consumer } },
      }));
    const handled: string[] = [];
    let n = 0;
    for (const concurrency of [1, 8, 1, 4]) {
      const desk = await platform.connectService(deskOf({ concurrency, ackWaitMs: 1_000 + n }), { name: "changing" });
      desk.handle.events.orders(({ event }) => void handled.push(event.id));
      await desk.start();
      await seller.event.shop.ordered.publish(order(`here ${(n += 1)}`)).orThrow();
      await eventually(() => expect(handled).toContain(`here ${n}`), 30_000);
      await desk.stop();
      // Nobody is there: the next one finds it.
      await seller.event.shop.ordered.publish(order(`away ${n}`)).orThrow();
    }
    const { reconcile } = await platform.admin.rpc.auth.deploymentsGet({ deployment: "changing" }).orThrow();
    expect(reconcile).toEqual({ state: "ready", at: expect.any(String) });
    expect(handled.toSorted()).toEqual(["away 1", "away 2", "away 3", "here 1", "here 2", "here 3", "here 4"]);
  }, 60_000);

  it("keeps its turn, whatever a publisher says whose turn it is", async () => {
    const asked: { readonly id?: string }[] = [];
    const data = await connectRaw(platform, "DATA");
    data.subscribe("$JS.API.CONSUMER.MSG.NEXT.EVENTS.turns_invoices", {
      callback: (_, message) => void asked.push(message.json()),
    });
    await data.flush();
    const service = await platform.connectService(billing, { name: "turns" });
    const seen: string[] = [];
    service.handle.events.invoices(({ event }) => void seen.push(event.id));
    await service.start();
    await seller.event.shop.ordered.publish(order("t0")).orThrow();
    const raw = await connectRaw(platform, "TRELLIS");
    const head = headers();
    head.set("Nats-Msg-Id", "forged-turn");
    head.set("Nats-Pin-Id", "forged");
    raw.publish("events.v1.Shop.Ordered.placed", JSON.stringify(order("t1")), { headers: head });
    await raw.flush();
    await eventually(() => expect(seen).toEqual(["t0", "t1"]));
    // The request that is open ends by itself; the next one says who asks.
    await eventually(() => expect(asked.at(-1)?.id).toMatch(/^\w{22}$/));
    expect(asked.map(({ id }) => id)).not.toContain("forged");
    await Promise.all([service.stop(), raw.close(), data.close()]);
  });

  it("takes an event of almost a megabyte", async () => {
    const service = await platform.connectService(shipping, { name: "large" });
    const lengths: number[] = [];
    service.handle.events.parcels((context) => {
      if (context.name === "Shop.Noted") lengths.push(context.event.text.length);
    });
    await service.start();
    await seller.event.shop.noted.publish({ text: "x".repeat(1_000_000) }).orThrow();
    await eventually(() => expect(lengths).toEqual([1_000_000]));
    await service.stop();
  });

  it("does not start with a group nobody handles", async () => {
    const service = await platform.connectService(shipping, { name: "unhandled" });
    await expect(service.start()).rejects.toThrow("service.handle.events.parcels");
  });
});
