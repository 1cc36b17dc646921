import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TrellisClient } from "@trellis/client/node";
import type { OperationsOf } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { OperationHandler, ServiceLimits } from "@trellis/server/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
import { billing, shop } from "./operations/contract.ts";
import { SecondOwner } from "./operations/second-owner.ts";
import { storedOperations } from "./operations/stored-operations.ts";
import { BillingWorkers } from "./operations/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";

type Refund = OperationHandler<OperationsOf<typeof billing>["Billing.Refund"], TrellisClient<typeof billing>>;

/** Nothing that goes wrong is put right by looking through everything. */
const NO_SWEEP = { operationSweepMs: 3_600_000 };
const JUMP_CLOCK = fileURLToPath(new URL("./resilience/kit/jump-clock.ts", import.meta.url));
const NAKED = "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.OPS_WORK_billing.>";

/** Each of these fails when the rule of `design/operations.md` is broken that it names. */
describe("the fence of operations", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  let data: Awaited<ReturnType<typeof connectData>>;
  let second: SecondOwner;
  const services: { stop(): Promise<void> }[] = [];
  const serve = async (refund: Refund, limits: Partial<ServiceLimits> = {}): Promise<void> => {
    const service = await platform.connectService(billing, { log: SILENT_LOG, limits: { ...NO_SWEEP, ...limits } });
    services.push(service);
    service.handle.operation.billing.refund(refund);
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await service.start();
  };
  const start = (how: string) => caller.operation.billing.refund.start({ order: "fenced", how }).orThrow();
  const recordsOf = async (id: string) => (await storedOperations(data, "billing")).get(id) ?? [];

  beforeAll(async () => {
    platform = await startPlatform();
    await (await platform.connectService(billing, { log: SILENT_LOG })).stop();
    caller = await platform.connectClient(shop);
    data = await connectData(platform);
    second = new SecondOwner(data);
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.stop()));
  });
  afterAll(async () => {
    await data.close();
    await platform.stop();
  });

  it("whoever was overtaken writes nothing, says nothing, and another goes on (1, 3, 5, 6)", async () => {
    const ways = ["returns", "throws", "steps", "sleeps", "listens", "defers", "hangs"] as const;
    const began = new Map<string, number>();
    const told: string[] = [];
    const fences = new Map<string, number>();
    const go = Promise.withResolvers<void>();
    await serve(async ({ input, op, signal }) => {
      const { how = "" } = input;
      const times = (began.get(how) ?? 0) + 1;
      began.set(how, times);
      fences.set(how, op.fence);
      if (times > 1) return ok({ order: input.order, by: how });
      signal.addEventListener("abort", () => told.push(`${how}: ${String(signal.reason)}`));
      await go.promise;
      if (how === "throws") throw new Error("it did not work");
      if (how === "steps") await op.step("late", () => 1);
      if (how === "sleeps") await op.sleep(600_000);
      if (how === "listens") await op.nextSignal("approve");
      if (how === "defers") return op.defer();
      if (how === "hangs") await new Promise(() => undefined);
      return ok({ order: input.order, by: "the one before" });
    });
    const givenBack: number[] = [];
    const naked = data.subscribe(NAKED, {
      callback: (_, message) => void givenBack.push(message.json<{ deliveries: number }>().deliveries),
    });
    const started = await Promise.all(ways.map(start));
    await eventually("all run", () => began.size === ways.length);
    const overtaken = await Promise.all(started.map(({ id }) => second.overtake({ operation: "Billing.Refund", id })));
    go.resolve();
    await eventually("all are told", () => told.length === ways.length);
    expect(new Set(told)).toEqual(
      new Set(ways.map((how) => `${how}: AbortError: Another replica has taken this operation.`)),
    );
    for (const [at, { id }] of started.entries()) {
      const kinds = (await recordsOf(id)).map(({ sequence, record }) => [record.kind, record.claim, sequence]);
      expect(kinds, ways[at]).toEqual([
        ["claimed", expect.any(String), expect.any(Number)],
        ["claimed", "second-owner", overtaken[at]],
      ]);
    }
    // The second owner is gone as well. An item that was acknowledged would never come again.
    const results = await Promise.all(started.map((each) => each.wait({ timeoutMs: 60_000 }).orThrow()));
    expect(results.map(({ by }) => by)).toEqual(ways);
    naked.unsubscribe();
    // What comes again too soon is given back, but nothing was by the one who had it first.
    expect(givenBack.filter((deliveries) => deliveries === 1)).toEqual([]);
    for (const [at, how] of ways.entries()) {
      expect(began.get(how), how).toBe(2);
      expect(fences.get(how), how).toBeGreaterThan(overtaken[at] ?? Number.POSITIVE_INFINITY);
    }
  }, 120_000);

  it("of replicas that are handed the same operation one has it (2)", async () => {
    const began = new Map<string, number>();
    const refund: Refund = async ({ input, op }) => {
      const times = (began.get(op.id) ?? 0) + 1;
      began.set(op.id, times);
      if (times === 1) return op.defer();
      await op.step("once", () => 1);
      return ok({ order: input.order, by: String(times) });
    };
    await Promise.all([serve(refund), serve(refund), serve(refund)]);
    const started = await Promise.all(Array.from({ length: 40 }, () => start("shared")));
    for (const each of started)
      await eventually("it rests", async () => (await each.get().orThrow()).pause?.for === "outside");
    await Promise.all(
      started.flatMap(({ id }) => Array.from({ length: 6 }, () => second.wake({ operation: "Billing.Refund", id }))),
    );
    await Promise.all(started.map((each) => each.wait({ timeoutMs: 60_000 }).orThrow()));
    for (const { id } of started) {
      const [end] = await recordsOf(id);
      const claims = end?.record.history?.filter(({ kind }) => kind === "claimed");
      expect(claims).toHaveLength(2);
      expect(began.get(id)).toBe(2);
    }
  }, 90_000);

  it("an item that comes twice takes nothing from whoever has just begun (2, 4)", async () => {
    let began = 0;
    const go = Promise.withResolvers<void>();
    const refund: Refund = async ({ input }) => {
      began += 1;
      await go.promise;
      return ok({ order: input.order, by: String(began) });
    };
    // Two with room for one each: what comes twice comes to both.
    await Promise.all([serve(refund, { maxOperations: 1 }), serve(refund, { maxOperations: 1 })]);
    const started = await start("twice");
    await eventually("it runs", async () => (await started.get().orThrow()).state === "running");
    let givenBack = 0;
    const naked = data.subscribe(NAKED, { callback: () => void (givenBack += 1) });
    await second.repeatItem({ operation: "Billing.Refund", id: started.id });
    await eventually("somebody has decided", () => givenBack > 0 || began > 1);
    naked.unsubscribe();
    expect(began).toBe(1);
    go.resolve();
    expect(await started.wait({ timeoutMs: 30_000 }).orThrow()).toMatchObject({ by: "1" });
    const [end] = await recordsOf(started.id);
    expect(end?.record.history?.map(({ kind }) => kind)).toEqual(["claimed", "completed"]);
  }, 60_000);

  it("a handler that is quiet for longer than items wait keeps its operation (5)", async () => {
    let began = 0;
    const refund: Refund = async ({ input }) => {
      began += 1;
      await new Promise((resolve) => setTimeout(resolve, 14_000));
      return ok({ order: input.order, by: String(began) });
    };
    // Two with room for one each: what comes again comes to the other.
    await Promise.all([serve(refund, { maxOperations: 1 }), serve(refund, { maxOperations: 1 })]);
    const started = await start("quiet");
    expect(await started.wait({ timeoutMs: 60_000 }).orThrow()).toMatchObject({ by: "1" });
    const [end] = await recordsOf(started.id);
    expect(end?.record.history?.map(({ kind }) => kind)).toEqual(["claimed", "completed"]);
  }, 60_000);

  it("a replica whose clock was set back looks all the same whether its operation is still its own (5)", async () => {
    const workers = new BillingWorkers(platform);
    const slow = await workers.spawn({ preload: [JUMP_CLOCK], env: { CLOCK_JUMP_MS: String(-3_600_000) } });
    try {
      const gate = join(platform.local.directory, "gate-of-the-slow");
      const { id } = await start(gate);
      await eventually("it waits at its gate", () => workers.linesOf(id).length >= 3);
      slow.send("SIGUSR2");
      await slow.said("the clock has jumped");
      await second.overtake({ operation: "Billing.Refund", id });
      await eventually("it is told", () => workers.linesOf(id).includes(`aborted 1 ${slow.pid}`));
    } finally {
      await workers.killAll();
    }
  }, 90_000);

  it("whoever was overtaken hears of no signal and of no cancel (7)", async () => {
    const heard: string[] = [];
    await serve(async ({ input, op, signal, attempt }) => {
      signal.addEventListener("abort", () => heard.push(`${input.how} ${attempt} ${String(signal.reason)}`));
      const { by } = await op.nextSignal("approve");
      heard.push(`${input.how} ${attempt} approved by ${by}`);
      return ok({ order: input.order, by });
    });
    const [signalled, cancelled] = await Promise.all([start("signalled"), start("cancelled")]);
    for (const { id } of [signalled, cancelled]) {
      await eventually("it runs", async () => (await recordsOf(id)).length > 0);
      await second.overtake({ operation: "Billing.Refund", id });
    }
    await Promise.all([signalled.signal("approve", { by: "Ada" }).orThrow(), cancelled.cancel().orThrow()]);
    expect(await signalled.wait({ timeoutMs: 60_000 }).orThrow()).toMatchObject({ by: "Ada" });
    expect(await cancelled.wait({ timeoutMs: 60_000 })).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    expect(new Set(heard)).toEqual(
      new Set([
        "signalled 1 AbortError: Another replica has taken this operation.",
        "cancelled 1 AbortError: Another replica has taken this operation.",
        "signalled 3 approved by Ada",
      ]),
    );
  }, 90_000);

  it("what was sent before an operation came to rest wakes it, hint or not (7)", async () => {
    const go = Promise.withResolvers<void>();
    let waiting = 0;
    await serve(async ({ input, op }) => {
      if (input.how === "cancelled") {
        waiting += 1;
        await go.promise;
        return op.defer();
      }
      const approval = op.nextSignal("approve");
      waiting += 1;
      await go.promise;
      await Promise.race([op.sleep(600_000), approval]);
      return ok({ order: input.order, by: (await approval).by });
    });
    const [signalled, cancelled] = await Promise.all([start("signalled"), start("cancelled")]);
    await eventually("both run", () => waiting === 2);
    const approve = { kind: "signal", name: "approve", input: { by: "Ada" } };
    await second.leave({ operation: "Billing.Refund", id: signalled.id }, approve);
    await second.leave({ operation: "Billing.Refund", id: cancelled.id }, { kind: "cancel" });
    go.resolve();
    expect(await signalled.wait({ timeoutMs: 30_000 }).orThrow()).toMatchObject({ by: "Ada" });
    expect(await cancelled.wait({ timeoutMs: 30_000 })).toMatchObject({ ok: false, error: { reason: "cancelled" } });
  }, 60_000);
});
