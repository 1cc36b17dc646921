// One contract, two deployments: callers name the contract, and either deployment may answer.
import { randomBytes } from "node:crypto";
import type { TrellisClient } from "@trellis/client/node";
import { SILENT_LOG, type TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { screen, shipping, shop } from "./events/contracts.ts";
import { eventually } from "./events/eventually.ts";
import { startTicker } from "./feeds/kit/counting.ts";
import { listener } from "./feeds/kit/ticker-contract.ts";
import { QUIET } from "./resilience/kit/quiet.ts";
import { lend } from "./transfers/kit/lending.ts";
import { library, reader } from "./transfers/kit/library-contract.ts";

/** Which deployment answers is left to NATS; that it is the same one so often does not happen. */
const ROUNDS = 60;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform?.stop());

it("a feed goes on at the other deployment when its own stops, by its cursor", async () => {
  const one = await startTicker(platform, { name: "ticker-eu" });
  const client = await platform.connectClient(listener, QUIET);
  const seen: number[] = [];
  let two: Awaited<ReturnType<typeof startTicker>> | undefined;
  for await (const { n } of client.feed.ticker.count({ everyMs: 2, cursors: true })) {
    seen.push(n);
    if (n === 100) {
      two = await startTicker(platform, { name: "ticker-us" });
      void one.service.stop();
    }
    if (n === 400) break;
  }
  expect(seen).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
  expect(one.counted.made.get("")).toBeLessThan(400);
  await two?.service.stop();
});

describe("files", () => {
  const shelves: TrellisService<typeof library>[] = [];
  let client: TrellisClient<typeof reader>;
  const open = async (name: string): Promise<TrellisService<typeof library>> => {
    const service = await platform.connectService(library, { name, log: SILENT_LOG });
    lend(service);
    shelves.push(service);
    return service;
  };
  beforeAll(async () => {
    const first = await open("library-eu");
    await first.store.files.put("film", randomBytes(300_000)).orThrow();
    await first.start();
    client = await platform.connectClient(reader);
    // It comes while its caller is connected: the caller may read from it without connecting anew.
    const second = await open("library-us");
    await second.store.files.put("film", randomBytes(400_000)).orThrow();
    await second.start();
  });
  afterAll(() => Promise.all(shelves.map((service) => service.stop())));

  it("come from whichever deployment answered, also from one that came later", async () => {
    const sizes = new Set<number>();
    for (let round = 0; round < ROUNDS && sizes.size < 2; round += 1) {
      const download = await client.rpc.files.read({ name: "film" }).orThrow();
      sizes.add((await download.bytes().orThrow()).length);
    }
    expect(sizes).toEqual(new Set([300_000, 400_000]));
  });

  it("go into the store of the deployment that took the operation, and of no other", async () => {
    const owners = new Set<number>();
    for (let round = 0; round < ROUNDS && owners.size < 2; round += 1) {
      const name = `parcel ${round}`;
      const bytes = randomBytes(200_000);
      const started = await client.operation.files.put.input({ name }).transfer(bytes).start().orThrow();
      await started.uploaded.orThrow();
      const found = await Promise.all(shelves.map((service) => service.store.files.info(name).orThrow()));
      expect(found.filter((each) => each !== undefined)).toMatchObject([{ size: bytes.length }]);
      owners.add(found.findIndex((each) => each !== undefined));
    }
    expect(owners).toEqual(new Set([0, 1]));
  });
});

it("events of both are heard, and each deployment of a reader handles all of them once", async () => {
  const [eu, us] = await Promise.all(
    ["shop-eu", "shop-us"].map((name) => platform.connectService(shop, { name, log: SILENT_LOG })),
  );
  if (eu === undefined || us === undefined) throw new Error("there are two");
  await Promise.all([eu.start(), us.start()]);
  const handled: { readonly [deployment: string]: string[] } = { "desk-eu": [], "desk-us": [] };
  for (const [name, ids] of Object.entries(handled)) {
    const desk = await platform.connectService(shipping, { name, log: SILENT_LOG });
    desk.handle.events.parcels({
      "Shop.Ordered": ({ event }) => void ids.push(event.id),
      "Shop.Noted": () => undefined,
    });
    await desk.start();
  }
  const client = await platform.connectClient(screen, QUIET);
  const live = client.event.shop.ordered.listen();
  await live.ready;
  const ids = Array.from({ length: 20 }, (_, n) => `o${n}`);
  for (const [n, id] of ids.entries())
    await (n % 2 === 0 ? eu : us).event.shop.ordered.publish({ id, status: "placed", n }).orThrow();
  const heard: string[] = [];
  for await (const { event } of live) if (heard.push(event.id) === ids.length) break;
  expect(heard).toEqual(ids);
  await eventually(() => expect(handled).toEqual({ "desk-eu": ids, "desk-us": ids }));
});
