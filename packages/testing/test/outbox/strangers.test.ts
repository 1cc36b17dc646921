import { dispatchOutbox } from "@trellis/outbox";
import { orThrow } from "@trellis/result";
import { type Log, SILENT_LOG } from "@trellis/server";
import { expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { eventually } from "../events/eventually.ts";
import { shop } from "./contracts.ts";
import { event, openSqlite } from "./repositories.ts";

it("an event whose name the contract no longer has is told of with what to do, while the others are published", async () => {
  await using platform = await startPlatform();
  const service = await platform.connectService(shop, { log: SILENT_LOG });
  await service.start();
  const warned: { readonly [field: string]: unknown }[] = [];
  const log: Log = { ...SILENT_LOG, warn: (message, fields) => void warned.push({ message, ...fields }) };
  const { repository, add } = openSqlite();
  await using _dispatcher = dispatchOutbox({
    repository,
    service: { contract: shop, client: service.client, log },
    limits: { strangerMs: 200, pollMs: 50 },
  });
  const before = Date.now();
  await add(event("1", "a", "Shop.Left"), event("2", "b", "Shop.Left"));
  await add(orThrow(service.event.shop.ordered.prepare({ key: "k", n: 1 })));
  await eventually(async () => expect(await repository.status()).toMatchObject({ waiting: 2 }));
  await eventually(() => expect(warned.length).toBeGreaterThan(0));
  expect(warned[0]).toMatchObject({
    message: expect.stringContaining("wait for a version of this service that publishes them"),
    event: "Shop.Left",
    waiting: 2,
    next: expect.stringContaining('parkNamed("Shop.Left")'),
  });
  // Not at once: in a rolling upgrade an event may wait a moment for a replica that knows it.
  expect(Date.now() - before).toBeGreaterThanOrEqual(200);

  expect(await repository.parkNamed("Shop.Left")).toBe(2);
  warned.length = 0;
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(warned).toEqual([]);
  expect(await repository.status()).toMatchObject({ waiting: 0, parked: 2 });
});
