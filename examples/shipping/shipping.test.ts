// The example as people run it: each program a process of its own, from this folder's files.
import { join } from "node:path";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const run = (file: string): Program => platform.run(join(import.meta.dirname, file));

it("hears an order live, ships it, and says so", async () => {
  // The shop has to have been there once, so that its contract is known to those who use it.
  await using first = run("shop.ts");
  expect(await first.exited, first.output).toMatchObject({ code: 0 });
  await using service = run("main.ts");
  await service.said("Serving.");
  await using watch = run("watch.ts");
  await watch.said("listening");
  await using shop = run("shop.ts");
  expect(await shop.exited, shop.output).toMatchObject({ code: 0 });
  expect(shop.printed).toContain("stored as event");
  await service.said("parcel for o_1 to 12 Bicycle Lane");
  expect(await watch.exited, watch.output).toMatchObject({ code: 0 });
  expect(watch.printed).toContain("o_1 to 12 Bicycle Lane");
});
