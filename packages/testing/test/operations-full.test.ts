import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { Log } from "@trellis/server";
import { expect, it } from "vitest";
import { startPlatform } from "../src/index.ts";
import { billing, shop } from "./operations/contract.ts";
import { roomOf } from "./operations/room.ts";
import { eventually } from "./resilience/kit/eventually.ts";
import { QUIET } from "./resilience/kit/quiet.ts";

it("while nothing can be stored new operations are refused, and what runs waits with its record and goes on", async () => {
  await using platform = await startPlatform();
  const room = await roomOf(platform);
  const warnings: string[] = [];
  const log: Log = { ...SILENT_LOG, warn: (message) => void warnings.push(message), child: () => log };
  await using service = await platform.connectService(billing, { log });
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  service.handle.operation.billing.refund(async ({ input, op, attempt }) => {
    if (input.how === "later") return ok({ order: input.order, by: "there was room again" });
    const by = await op.step("charge", async () => {
      ran.push(`charge ${attempt}`);
      await gate.promise;
      return "charged";
    });
    if (input.how === "sleeps") await op.sleep(1_500);
    return ok({ order: input.order, by: `${by} ${attempt}` });
  });
  service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
  await service.start();
  const caller = await platform.connectClient(shop, QUIET);
  const { refund } = caller.operation.billing;
  const started = await Promise.all(["returns", "sleeps"].map((how) => refund.start({ order: how, how }).orThrow()));
  await eventually("both run", () => ran.length === 2);

  await room.fill();
  const refused = await refund.start({ order: "too much" }, { timeoutMs: 2_000 });
  expect(refused).toMatchObject({ ok: false, error: { type: "TransportError", code: "overloaded" } });
  expect(!refused.ok && refused.error.message).toContain("full");
  for (const result of [
    await started[0]?.signal("approve", { by: "Ada" }, { timeoutMs: 2_000 }),
    await started[0]?.cancel("no room", { timeoutMs: 2_000 }),
  ]) {
    expect(result).toMatchObject({
      ok: false,
      error: { type: "TransportError", code: "overloaded", message: expect.stringContaining("full") },
    });
  }
  gate.resolve();
  await eventually("both wait", () => warnings.filter((message) => message.includes("its stream is full")).length > 3);
  for (const each of started) expect((await each.get().orThrow()).revision).toBe(2);

  await room.free();
  const ends = await Promise.all(started.map((each) => each.wait({ timeoutMs: 60_000 }).orThrow()));
  expect(ends.map(({ by }) => by)).toEqual(["charged 1", "charged 1"]);
  expect(ran).toEqual(["charge 1", "charge 1"]);
  const late = await refund.start({ order: "late", how: "later" }, { timeoutMs: 30_000 }).orThrow();
  expect(await late.wait({ timeoutMs: 30_000 }).orThrow()).toMatchObject({ by: "there was room again" });
}, 120_000);

it("a replica that is stopped while nothing can be stored comes to its end, and another goes on", async () => {
  await using platform = await startPlatform();
  const room = await roomOf(platform);
  const serve = async (who: string) => {
    const service = await platform.connectService(billing, { log: SILENT_LOG, limits: { drainMs: 500 } });
    service.handle.operation.billing.refund(async ({ input, op }) => {
      await op.step("charge", () => 1);
      // Does not heed its signal.
      if (who === "the first") await new Promise(() => undefined);
      return ok({ order: input.order, by: who });
    });
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await service.start();
    return service;
  };
  const first = await serve("the first");
  const caller = await platform.connectClient(shop, QUIET);
  const started = await caller.operation.billing.refund.start({ order: "given back" }).orThrow();
  await eventually("it runs", async () => (await started.get().orThrow()).revision >= 3);
  await room.fill();
  await first.stop();
  await room.free();
  await serve("the second");
  expect(await started.wait({ timeoutMs: 60_000 }).orThrow()).toMatchObject({ by: "the second" });
}, 120_000);
