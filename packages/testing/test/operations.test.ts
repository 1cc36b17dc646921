import { setTimeout as wait } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { OperationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { OperationHandler, TrellisService } from "@trellis/server/node";
import type { OperationsOf } from "@trellis/contracts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { billing, NoFunds, shop } from "./operations/contract.ts";
import { eventually } from "./resilience/kit/eventually.ts";

type Refund = OperationHandler<OperationsOf<typeof billing>["Billing.Refund"], TrellisClient<typeof billing>>;

describe("operations", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  const services: TrellisService<typeof billing>[] = [];
  const serve = async (refund: Refund): Promise<TrellisService<typeof billing>> => {
    const service = await platform.connectService(billing, { log: SILENT_LOG });
    services.push(service);
    service.handle.operation.billing.refund(refund);
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await service.start();
    return service;
  };
  const refund = (input: { order: string; ms?: number; how?: string }, options = {}) =>
    caller.operation.billing.refund.start(input, options).orThrow();

  beforeAll(async () => {
    platform = await startPlatform();
    // The contract of the service is known before its caller asks for it.
    await (await platform.connectService(billing, { log: SILENT_LOG })).stop();
    caller = await platform.connectClient(shop);
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.stop()));
  });
  afterAll(() => platform.stop());

  it("are accepted, run, and answer with their output", async () => {
    await serve(({ input, caller: who, attempt }) => ok({ order: input.order, by: `${who.type} ${attempt}` }));
    const started = await refund({ order: "o1" });
    expect(started.created).toBe(true);
    expect(started.snapshot).toMatchObject({ state: "pending", revision: 1, attempt: 0, service: "billing" });
    expect(await started.wait().orThrow()).toEqual({ order: "o1", by: "user 1" });
    const now = await started.get().orThrow();
    expect(now).toMatchObject({ state: "completed", output: { order: "o1", by: "user 1" }, attempt: 1 });
    expect(now.revision).toBe(3);
  });

  it("answer a run with their output or their error; what takes longer than its caller waits goes on", async () => {
    const go = Promise.withResolvers<void>();
    let runs = 0;
    await serve(async ({ input }) => {
      runs += 1;
      if (input.order === "poor") return err(new NoFunds({ missing: 5 }));
      if (input.order === "slow") await go.promise;
      return ok({ order: input.order, by: `run ${runs}` });
    });
    const { run } = caller.operation.billing.refund;
    const once = { key: "run once" };
    expect(await run({ order: "quick" }, once).orThrow()).toEqual({ order: "quick", by: "run 1" });
    expect(await run({ order: "quick" }, once).orThrow()).toEqual({ order: "quick", by: "run 1" });
    const poor = await run({ order: "poor" });
    expect(!poor.ok && poor.error).toBeInstanceOf(NoFunds);
    const early = await run({ order: "slow" }, { key: "slow", timeoutMs: 1_000 });
    // What it waited for in all, whatever requests that took.
    expect(!early.ok && early.error).toMatchObject({
      code: "timeout",
      message: expect.stringContaining("after 1000 ms"),
    });
    const late = run({ order: "slow" }, { key: "slow", timeoutMs: 10_000 });
    go.resolve();
    expect(await late.orThrow()).toEqual({ order: "slow", by: "run 3" });
    expect(runs).toBe(3);
  });

  it("tell whoever watches what happens, from where it stands to its end", async () => {
    const go = Promise.withResolvers<void>();
    await serve(async ({ input, op }) => {
      await go.promise;
      op.progress({ percent: 10 });
      await op.step("charge", () => 1);
      op.progress({ percent: 90 });
      return ok({ order: input.order, by: "watched" });
    });
    const started = await refund({ order: "o2" });
    const seen: string[] = [];
    let last: unknown;
    const times: (number | undefined)[] = [];
    for await (const { type, name, snapshot } of started.watch()) {
      times.push(snapshot.acceptedAt, snapshot.updatedAt, snapshot.startedAt, snapshot.endedAt);
      seen.push(name === undefined ? type : `${type} ${name}`);
      last = snapshot;
      go.resolve();
    }
    expect(seen[0]).toBe("snapshot");
    expect(seen.slice(-4)).toEqual(["progress", "step charge", "progress", "completed"]);
    expect(last).toMatchObject({ state: "completed", progress: { percent: 90 } });
    expect(times.filter((at) => at !== undefined && !Number.isInteger(at))).toEqual([]);
  });

  it("fail with the error the contract declares, and once", async () => {
    let runs = 0;
    await serve(() => {
      runs += 1;
      return err(new NoFunds({ missing: 7 }));
    });
    const started = await refund({ order: "o3" });
    const result = await started.wait();
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.error).toBeInstanceOf(NoFunds);
    expect(result.error).toMatchObject({ missing: 7 });
    expect(runs).toBe(1);
  });

  it("are tried again when an attempt fails otherwise, and remember their steps", async () => {
    const steps: string[] = [];
    await serve(async ({ input, op, attempt }) => {
      const first = await op.step("first", () => {
        steps.push(`first ${attempt}`);
        return { made: attempt };
      });
      if (attempt < 3) throw new Error("secret: not yet");
      await op.step("second", () => void steps.push(`second ${attempt}`));
      return ok({ order: input.order, by: `first ${first.made}, attempt ${attempt}` });
    });
    const started = await refund({ order: "o4" });
    expect(await started.wait().orThrow()).toEqual({ order: "o4", by: "first 1, attempt 3" });
    expect(steps).toEqual(["first 1", "second 3"]);
  });

  it("fail with an id when every attempt failed, and say nothing more to the caller", async () => {
    await serve(() => {
      throw new Error("secret");
    });
    const started = await refund({ order: "o5" });
    const result = await started.wait();
    expect(result.ok ? undefined : result.error).toMatchObject({ type: "UnexpectedError" });
    const now = await started.get().orThrow();
    expect(now).toMatchObject({ state: "failed", attempt: 5 });
    expect(JSON.stringify(now)).not.toContain("secret");
  });

  it("are one for one key, whoever of the principal's sessions starts it", async () => {
    let runs = 0;
    await serve(({ input }) => {
      runs += 1;
      return ok({ order: input.order, by: "once" });
    });
    const all = await Promise.all(Array.from({ length: 8 }, () => refund({ order: "o6" }, { key: "the same" })));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    await all[0]?.wait().orThrow();
    const again = await refund({ order: "o6" }, { key: "the same" });
    expect(again).toMatchObject({ created: false, snapshot: { state: "completed" } });
    expect(runs).toBe(1);
    const other = await platform.connectClient(shop);
    expect(await other.operation.billing.refund.resume(again.id).wait().orThrow()).toEqual({ order: "o6", by: "once" });
  });

  it("sleep without a handler in memory, and come back to where they were", async () => {
    const began: number[] = [];
    let stepped = 0;
    const service = await serve(async ({ input, op, attempt }) => {
      began.push(attempt);
      await op.step("before", () => (stepped += 1));
      await op.sleep(2_500);
      return ok({ order: input.order, by: `attempt ${attempt}` });
    });
    const started = await refund({ order: "o7" });
    await eventually("it sleeps", async () => (await started.get().orThrow()).pause?.for === "time");
    const asleep = await started.get().orThrow();
    expect(asleep.state).toBe("running");
    expect(service.client).toBeDefined();
    expect(await started.wait({ timeoutMs: 30_000 }).orThrow()).toEqual({ order: "o7", by: "attempt 1" });
    expect(began).toEqual([1, 1]);
    expect(stepped).toBe(1);
  });

  it("wait for signals, each handed out once and in order", async () => {
    await serve(async ({ input, op }) => {
      const first = await op.nextSignal("approve");
      const second = await op.nextSignal("approve");
      return ok({ order: input.order, by: `${first.by} and ${second.by}` });
    });
    const started = await refund({ order: "o8" });
    await started.signal("approve", { by: "Ada" }).orThrow();
    await started.signal("approve", { by: "Grace" }).orThrow();
    expect(await started.wait({ timeoutMs: 30_000 }).orThrow()).toEqual({ order: "o8", by: "Ada and Grace" });
    const late = await started.signal("approve", { by: "late" });
    expect(late.ok ? undefined : late.error).toMatchObject({ type: "OperationError", reason: "over" });
  });

  it("refuse a signal whose input the contract does not allow", async () => {
    await serve(async ({ input, op }) => ok({ order: input.order, by: (await op.nextSignal("approve")).by }));
    const started = await refund({ order: "o9" });
    // @ts-expect-error not an approval
    const wrong = await started.signal("approve", { by: 1 });
    expect(wrong.ok ? undefined : wrong.error).toMatchObject({ type: "ValidationError" });
    await started.signal("approve", { by: "x" }).orThrow();
    await started.wait().orThrow();
  });

  it("are cancelled while they run: the handler hears of it", async () => {
    const heard = Promise.withResolvers<string>();
    await serve(async ({ signal }) => {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          heard.resolve(String(signal.reason));
          reject(signal.reason);
        });
      });
      return err(new NoFunds({ missing: 1 }));
    });
    const started = await refund({ order: "o10" });
    await eventually("it runs", async () => (await started.get().orThrow()).state === "running");
    await started.cancel("changed my mind").orThrow();
    expect(await heard.promise).toContain("cancelled");
    const result = await started.wait();
    expect(result.ok ? undefined : result.error).toBeInstanceOf(OperationError);
    expect(result.ok ? undefined : result.error).toMatchObject({ reason: "cancelled" });
    const again = await started.cancel().orThrow();
    expect(again.state).toBe("cancelled");
  });

  it("are cancelled at once while nobody runs them", async () => {
    await serve(async ({ input, op }) => {
      await op.sleep(600_000);
      return ok({ order: input.order, by: "never" });
    });
    const started = await refund({ order: "o11" });
    await eventually("it sleeps", async () => (await started.get().orThrow()).pause?.for === "time");
    expect(await started.cancel().orThrow()).toMatchObject({ state: "cancelled" });
  });

  it("fail when their deadline passes, running or asleep", async () => {
    await serve(async ({ input, op }) => {
      if (input.how === "asleep") await op.sleep(600_000);
      await wait(600_000, undefined, { ref: false });
      return ok({ order: input.order, by: "late" });
    });
    for (const how of ["running", "asleep"]) {
      const started = await refund({ order: "o12", how }, { deadlineMs: 1_500 });
      const result = await started.wait({ timeoutMs: 30_000 });
      expect(result.ok ? undefined : result.error, how).toMatchObject({ reason: "deadline_exceeded" });
    }
  });

  it("are ended from outside when their handler defers them", async () => {
    const service = await serve(({ op }) => op.defer());
    const started = await refund({ order: "o13" });
    const control = service.operation.billing.refund.control(started.id);
    await control.progress({ percent: 50 });
    expect(await started.get().orThrow()).toMatchObject({ progress: { percent: 50 }, pause: { for: "outside" } });
    await control.complete({ order: "o13", by: "outside" });
    expect(await started.wait().orThrow()).toEqual({ order: "o13", by: "outside" });
    await expect(control.complete({ order: "o13", by: "twice" })).rejects.toMatchObject({ reason: "over" });
  });

  it("keep a checkpoint for the attempt that follows", async () => {
    await serve(async ({ input, op, attempt }) => {
      if (attempt === 1) {
        await op.checkpoint({ page: 12 });
        throw new Error("crash");
      }
      return ok({ order: input.order, by: JSON.stringify(op.resumeFrom) });
    });
    const started = await refund({ order: "o14" });
    expect(await started.wait().orThrow()).toEqual({ order: "o14", by: '{"page":12}' });
  });

  it("leave by themselves when their time to be kept is over", async () => {
    await serve(({ input }) => ok({ order: input.order, by: "x" }));
    const started = await caller.operation.billing.short.start({ order: "o15" }).orThrow();
    await started.wait().orThrow();
    await eventually("it is gone", async () => {
      const now = await started.get();
      return !now.ok && now.error instanceof OperationError && now.error.reason === "not_found";
    });
  });
});
