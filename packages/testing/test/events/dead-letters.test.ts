import { MsgHdrsImpl } from "@nats-io/nats-core";
import { inboxPrefix } from "@trellis/protocol";
import { type TrellisService, SILENT_LOG } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { billing, books, olderTill, shipping, shop, till } from "./contracts.ts";
import {
  bootstrapReady,
  connectRaw as connectParticipant,
  natsHeaders,
  newKey,
  Violations,
} from "../security/kit/participant.ts";
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
type Handler = Parameters<TrellisService<typeof shipping>["handle"]["events"]["parcels"]>[0];

async function consume(name: string, handler: Handler): Promise<TrellisService<typeof shipping>> {
  const service = await platform.connectService(shipping, { name, log: SILENT_LOG });
  service.handle.events.parcels(handler);
  await service.start();
  return service;
}

const admin = () => platform.admin.rpc.trellis;
const letters = async (deployment: string) =>
  (await admin().eventsDeadLettersList({ deployment }).orThrow()).deadLetters;

describe("an event that cannot be handled", () => {
  it("is kept after its last delivery and delivered again to its group only", async () => {
    let broken = true;
    const seen: {
      readonly id: string;
      readonly attempt: number;
      readonly replayed: boolean;
      readonly eventId: string;
    }[] = [];
    const other: string[] = [];
    await using bystander = await consume("bystander", ({ id }) => void other.push(id));
    await using service = await consume("parcel-desk", (context) => {
      if (context.name !== "Shop.Ordered") return;
      seen.push({ id: context.event.id, attempt: context.attempt, replayed: context.replayed, eventId: context.id });
      if (broken && context.event.id === "d1") throw new Error("a secret of the database");
    });
    const { id } = await seller.event.shop.ordered.publish(order("d1")).orThrow();
    await seller.event.shop.ordered.publish(order("d2")).orThrow();
    await eventually(async () => expect(await letters("parcel-desk")).toHaveLength(1));
    const [letter] = await letters("parcel-desk");
    expect(letter).toMatchObject({
      group: "parcels",
      eventId: id,
      subject: "events.v1.Shop.Ordered.placed",
      attempts: 3,
      code: "failed",
    });
    expect(letter?.reason).not.toContain("secret");
    const whole = await admin()
      .eventsDeadLettersGet({ id: letter?.id ?? "" })
      .orThrow();
    expect(JSON.parse(whole.payload)).toEqual(order("d1"));
    // What came after it went on.
    await eventually(() =>
      expect(seen.map((each) => `${each.id}#${each.attempt}`)).toEqual(["d1#1", "d1#2", "d1#3", "d2#1"]),
    );

    broken = false;
    expect(
      await admin()
        .eventsDeadLettersReplay({ ids: [letter?.id ?? ""] })
        .orThrow(),
    ).toEqual({ count: 1, more: false });
    await eventually(() => expect(seen.at(-1)).toEqual({ id: "d1", attempt: 1, replayed: true, eventId: id }));
    expect(await letters("parcel-desk")).toEqual([]);
    // In strict order: whatever came to the other group before this one has been handled there.
    const last = await seller.event.shop.ordered.publish(order("d3")).orThrow();
    await eventually(() => expect(other).toContain(last.id));
    expect(other).toHaveLength(3);
    expect(other.filter((each) => each === id)).toHaveLength(1);
    expect((await admin().eventsDeadLettersReplay({ ids: [letter?.id ?? ""] })).ok).toBe(false);
    void bystander;
    void service;
  });

  it("comes again to a group that handles side by side, and is lag of no other for long", async () => {
    let broken = true;
    const seen: string[] = [];
    const other: string[] = [];
    const open = async (
      name: string,
      handler: Parameters<TrellisService<typeof billing>["handle"]["events"]["invoices"]>[0],
    ) => {
      const service = await platform.connectService(billing, { name, log: SILENT_LOG });
      service.handle.events.invoices(handler);
      await service.start();
      return service;
    };
    await using bystander = await open("billing-two", ({ event }) => void other.push(event.id));
    await using service = await open("billing-one", ({ event, replayed, subject }) => {
      if (broken && event.id === "s1") throw new Error("not yet");
      seen.push(`${event.id} ${replayed} ${subject.split(".").at(-1)}`);
    });
    for (const id of ["s1", "s2"]) await seller.event.shop.ordered.publish(order(id, "aside")).orThrow();
    await eventually(async () => expect(await letters("billing-one")).toHaveLength(1));
    broken = false;
    await admin().eventsDeadLettersReplay({ deployment: "billing-one", group: "invoices" }).orThrow();
    await seller.event.shop.ordered.publish(order("s3", "aside")).orThrow();
    await eventually(() => expect(seen).toEqual(["s2 false aside", "s1 true aside", "s3 false aside"]));
    await eventually(async () => {
      const { groups } = await admin().eventsGroupsList({ deployment: "billing-two" }).orThrow();
      expect(groups).toMatchObject([{ pending: 0, inFlight: 0 }]);
    });
    expect(other).toEqual(["s1", "s2", "s3"]);
    void bystander;
    void service;
  });

  it("is kept at once when it is not what the contract says, and can be dropped", async () => {
    const seen: string[] = [];
    await using service = await consume("strict-reader", ({ event }) => void seen.push(JSON.stringify(event)));
    const raw = await connectRaw(platform, "TRELLIS");
    raw.publish("events.v1.Shop.Ordered.placed", JSON.stringify({ id: 7 }));
    raw.publish("events.v1.Shop.Ordered.placed", "not json");
    raw.publish("events.v1.Shop.Ordered.lie", JSON.stringify(order("x")));
    await raw.flush();
    await seller.event.shop.ordered.publish(order("good")).orThrow();
    await eventually(() => expect(seen).toEqual([JSON.stringify(order("good"))]));
    const found = await letters("strict-reader");
    expect(found.map(({ code, attempts }) => [code, attempts])).toEqual([
      ["invalid", 1],
      ["invalid", 1],
      ["invalid", 1],
    ]);
    expect(found[0]?.reason).toContain("/status: is missing");
    expect(await admin().eventsDeadLettersDrop({ deployment: "strict-reader", group: "parcels" }).orThrow()).toEqual({
      count: 3,
      more: false,
    });
    expect(await letters("strict-reader")).toEqual([]);
    await raw.close();
    void service;
  });

  it("is kept at once when it is older than a schema that it does not satisfy; newer ones are handled", async () => {
    const before = await platform.connectService(olderTill, { name: "till", log: SILENT_LOG });
    await before.start();
    for (const id of ["o1", "o2"]) await before.event.till.sold.publish({ id }).orThrow();
    await before.stop();
    const after = await platform.connectService(till, { name: "till", log: SILENT_LOG });
    await after.start();
    await after.event.till.sold.publish({ id: "n1", amount: 3 }).orThrow();
    const seen: unknown[] = [];
    const reader = await platform.connectService(books, { name: "books", log: SILENT_LOG });
    reader.handle.events.sales(({ event }) => void seen.push(event));
    await reader.start();
    await eventually(() => expect(seen).toEqual([{ id: "n1", amount: 3 }]));
    const found = await letters("books");
    expect(found.map(({ subject, code, attempts }) => [subject.split(".").at(-1), code, attempts])).toEqual([
      ["o1", "invalid", 1],
      ["o2", "invalid", 1],
    ]);
    for (const { reason } of found) expect(reason).toContain("/amount: is missing");
    await eventually(async () => {
      const { groups } = await admin().eventsGroupsList({ deployment: "books" }).orThrow();
      expect(groups).toMatchObject([{ pending: 0, inFlight: 0, deadLetters: 2 }]);
    });
    await Promise.all([reader.stop(), after.stop()]);
  });

  it("is shown when it has a megabyte; when it has more than an answer holds, that is said, and it comes again whole", async () => {
    let broken = true;
    const seen: number[] = [];
    await using service = await consume("large-desk", (context) => {
      if (context.name !== "Shop.Noted") return;
      if (broken) throw new Error("not yet");
      seen.push(context.event.text.length);
    });
    // A line break is one byte on the way in and two in an answer; the last fits into a message with its own headers only.
    const texts = ["x".repeat(1_000_000), "\n".repeat(1_900_000), "x".repeat(4_194_304 - 330)];
    for (const text of texts) await seller.event.shop.noted.publish({ text }).orThrow();
    await eventually(async () => expect(await letters("large-desk")).toHaveLength(3));
    const shown = await Promise.all(
      (await letters("large-desk")).map(({ id }) => admin().eventsDeadLettersGet({ id }).orThrow()),
    );
    expect(shown.map(({ payload }) => payload.length)).toEqual([1_000_011, 0, 0]);
    expect(shown.map(({ bytes }) => bytes)).toEqual(texts.map((text) => JSON.stringify({ text }).length));
    for (const { problem } of shown.slice(1)) expect(problem).toContain("more than fits into this answer");
    broken = false;
    await admin().eventsDeadLettersReplay({ deployment: "large-desk", group: "parcels" }).orThrow();
    await eventually(() => expect(seen).toEqual(texts.map(({ length }) => length)));
    void service;
  });

  it("is kept when its handler hangs, or answers with something that is no answer", async () => {
    const service = await platform.connectService(shipping, {
      name: "hanging",
      log: SILENT_LOG,
      limits: { eventHandlerMs: 300 },
    });
    let aborted = 0;
    const garbage: unknown = 42;
    service.handle.events.parcels({
      "Shop.Ordered": ({ signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => (aborted += 1));
        }),
      // What no typed handler can return.
      "Shop.Noted": () => garbage as undefined,
    });
    await service.start();
    await seller.event.shop.noted.publish({ text: "n" }).orThrow();
    await seller.event.shop.ordered.publish(order("hangs")).orThrow();
    await eventually(async () =>
      expect(await letters("hanging")).toMatchObject([{ code: "failed" }, { code: "failed", attempts: 3 }]),
    );
    expect(aborted).toBe(3);
    expect((await letters("hanging"))[1]?.reason).toContain("did not finish within 300 ms");
    await service.stop();
  });

  it("a group is paused and resumed, and its lag is seen", async () => {
    const seen: string[] = [];
    await using service = await consume("pausing", ({ event }) => void seen.push("id" in event ? event.id : ""));
    await seller.event.shop.ordered.publish(order("before")).orThrow();
    await eventually(() => expect(seen).toEqual(["before"]));
    const paused = await admin().eventsGroupsPause({ deployment: "pausing", group: "parcels" }).orThrow();
    expect(paused.pausedUntil).toBeDefined();
    for (const id of ["a", "b"]) await seller.event.shop.ordered.publish(order(id)).orThrow();
    await eventually(async () => {
      const { groups } = await admin().eventsGroupsList({ deployment: "pausing" }).orThrow();
      expect(groups).toMatchObject([{ group: "parcels", pending: 2, inFlight: 0 }]);
    });
    expect(seen).toEqual(["before"]);
    await admin().eventsGroupsResume({ deployment: "pausing", group: "parcels" }).orThrow();
    await eventually(() => expect(seen).toEqual(["before", "a", "b"]));
    expect((await admin().eventsGroupsPause({ deployment: "pausing", group: "none" })).ok).toBe(false);
    // For a while: it goes on by itself, and no earlier.
    const pausedAt = performance.now();
    await admin().eventsGroupsPause({ deployment: "pausing", group: "parcels", forMs: 2_000 }).orThrow();
    await seller.event.shop.ordered.publish(order("later")).orThrow();
    await eventually(() => expect(seen.at(-1)).toBe("later"));
    expect(performance.now() - pausedAt).toBeGreaterThan(1_500);
    void service;
  });
});

describe("a hostile neighbour", () => {
  it("publishes no event of others, and neither takes nor acknowledges nor buries for others", async () => {
    const handled: string[] = [];
    await using victim = await consume("victim", ({ id }) => void handled.push(id));
    // A deployment of the same contract: nobody has more rights next to the victim's.
    await platform.admin.rpc.auth.deploymentsCreate({ name: "hostile", mode: "mutable-dev" }).orThrow();
    const key = newKey();
    await platform.admin.rpc.auth.instancesProvision({ deployment: "hostile", sessionKey: key.text }).orThrow();
    const identity = { key, manifest: shipping.manifest };
    await bootstrapReady(platform.url, identity);
    const hostile = await connectParticipant(identity, platform.local.nats.servers);
    const violations = new Violations(hostile);
    const event = JSON.stringify(order("forged"));
    const refused = [
      "events.v1.Shop.Ordered.placed",
      "events.replay.hostile_parcels.v1.Shop.Ordered.placed",
      "events.replay.victim_parcels.v1.Shop.Ordered.placed",
      "victim_parcels.v1.Shop.Ordered.placed",
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.victim_parcels",
      "$JS.ACK.EVENTS.victim_parcels.1.1.1.1.0",
      "trellis.dead.victim.parcels.1",
      "trellis.dead.hostile.other.1",
      "$JS.API.DIRECT.GET.EVENTS.events.v1.Shop.Ordered.placed",
      "$JS.API.DIRECT.GET.EVENTS_DEAD",
      "$JS.API.CONSUMER.PAUSE.EVENTS.hostile_parcels",
    ];
    for (const subject of refused) hostile.publish(subject, event);
    // The acknowledgement of somebody else's publish cannot be forged either.
    hostile.publish(`${inboxPrefix(newKey().text)}.a.${"x".repeat(22)}.${"y".repeat(12)}`, '{"seq":1}');
    await violations.settle();
    for (const subject of refused) expect(violations.seen).toContain(`publish ${subject}`);
    expect([...violations.seen].some((seen) => seen.includes(".a."))).toBe(true);

    // What it may do reaches nobody but itself: a dead letter that claims to be an event of the victim.
    hostile.publish("trellis.dead.hostile.parcels.1", event, {
      headers: natsHeaders({ "trellis-event-id": "x", "trellis-dead-subject": "events.v1.Shop.Ordered.placed" }),
    });
    await hostile.flush();
    await eventually(async () => expect(await letters("hostile")).toHaveLength(1));
    await admin().eventsDeadLettersReplay({ deployment: "hostile", group: "parcels" }).orThrow();
    hostile.publish("trellis.dead.hostile.parcels.2", event, {
      headers: natsHeaders({ "trellis-dead-subject": "events.>" }),
    });
    hostile.publish("trellis.dead.hostile.parcels.3", event, {
      headers: natsHeaders({ "trellis-dead-subject": "$JS.API.STREAM.PURGE.EVENTS" }),
    });
    const many = Array.from({ length: 20 }, (_, n) => 10 + n);
    // Letters too long to list a page of; nobody else's may be hidden behind them.
    for (const place of many)
      hostile.publish(`trellis.dead.hostile.parcels.${place}`, event, {
        headers: natsHeaders({
          "trellis-dead-reason": "\u0001".repeat(60_000),
          "trellis-dead-subject": "events.v1.x",
        }),
      });
    await hostile.flush();
    await eventually(async () => expect(await letters("hostile")).toHaveLength(2 + many.length));
    await admin()
      .eventsDeadLettersDrop({ ids: many.map((place) => `hostile.parcels.${place}`) })
      .orThrow();
    // nats.js throws when it reads this, and where an answer is empty it reads the headers first of all.
    const malformed = new MsgHdrsImpl();
    malformed.headers.set("no name", ["x"]);
    hostile.publish("trellis.dead.hostile.parcels.4", "", { headers: malformed });
    await hostile.flush();
    await eventually(async () => expect(await letters("hostile")).toHaveLength(3));
    for (const place of [2, 3])
      expect((await admin().eventsDeadLettersReplay({ ids: [`hostile.parcels.${place}`] })).ok).toBe(false);

    const { id } = await seller.event.shop.ordered.publish(order("true")).orThrow();
    await eventually(() => expect(handled).toEqual([id]));
    expect(await letters("victim")).toEqual([]);
    await hostile.close();
    void victim;
  });
});
