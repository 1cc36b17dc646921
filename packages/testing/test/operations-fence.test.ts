import { setTimeout as wait } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { defineServiceContract, type OperationsOf } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { OperationHandler, ServiceLimits, TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { makePerson } from "./feeds/kit/people.ts";
import { connectData } from "./jobs/direct.ts";
import { billing, shop } from "./operations/contract.ts";
import { storedOperations } from "./operations/stored-operations.ts";
import { BillingWorkers } from "./operations/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";
import { chosenSeed, randomOf } from "./resilience/kit/random.ts";

type Refund = OperationHandler<OperationsOf<typeof billing>["Billing.Refund"], TrellisClient<typeof billing>>;

describe("who may go on with an operation", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  const services: { stop(): Promise<void> }[] = [];
  const serve = async (
    refund: Refund,
    limits: Partial<ServiceLimits> = {},
  ): Promise<TrellisService<typeof billing>> => {
    const service = await platform.connectService(billing, { log: SILENT_LOG, limits });
    services.push(service);
    service.handle.operation.billing.refund(refund);
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await service.start();
    return service;
  };
  const start = (order: string) => caller.operation.billing.refund.start({ order }).orThrow();

  beforeAll(async () => {
    platform = await startPlatform();
    await (await platform.connectService(billing, { log: SILENT_LOG })).stop();
    caller = await platform.connectClient(shop);
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.stop()));
  });
  afterAll(() => platform.stop());

  it("a signal that comes while its operation is being put to rest wakes it", async () => {
    const refund: Refund = async ({ input, op }) => {
      const approval = op.nextSignal("approve");
      await Promise.race([op.sleep(600_000), approval]);
      return ok({ order: input.order, by: (await approval).by });
    };
    await Promise.all([serve(refund), serve(refund)]);
    const ended = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const started = await start(`race ${n}`);
        // Handlers that only wait are put to rest after 50 ms: before, while and after it.
        await wait(n * 4);
        await started.signal("approve", { by: `${n}` }, { timeoutMs: 30_000 }).orThrow();
        return started.wait({ timeoutMs: 40_000 }).orThrow();
      }),
    );
    expect(ended.map(({ by }) => by)).toEqual(ended.map((_, n) => `${n}`));
  }, 90_000);

  it("a signal that reaches a replica while that puts its operation to rest is not acknowledged away", async () => {
    // Nothing runs here: it answers who asks.
    await serve(({ op }) => op.defer(), { maxOperations: 0 });
    const workers = new BillingWorkers(platform);
    const slow = await workers.spawn();
    const over = new AbortController();
    // Between its parts it stands still: what the servers sent meanwhile reaches it all at once.
    const stutter = (async () => {
      while (!over.signal.aborted) {
        slow.send("SIGSTOP");
        await wait(30);
        slow.send("SIGCONT");
        await wait(4);
      }
    })();
    try {
      const ended = await Promise.all(
        Array.from({ length: 60 }, async (_, n) => {
          const started = await caller.operation.billing.refund
            .start({ order: `slow ${n}`, how: "signal" }, { timeoutMs: 30_000 })
            .orThrow();
          for await (const { snapshot } of started.watch()) if (snapshot.pause !== undefined) break;
          await wait(n);
          await started.signal("approve", { by: `${n}` }, { timeoutMs: 30_000 }).orThrow();
          return started.wait({ timeoutMs: 40_000 }).orThrow();
        }),
      );
      expect(ended.map(({ by }) => by)).toEqual(ended.map((_, n) => `${n}`));
    } finally {
      over.abort();
      await stutter;
      await workers.killAll();
    }
  }, 90_000);

  it("of a cancel and a completion exactly one happens, and both hear which", async () => {
    const service = await serve(({ op }) => op.defer());
    for (let n = 0; n < 20; n += 1) {
      const started = await start(`both ${n}`);
      await eventually("it is deferred", async () => (await started.get().orThrow()).pause?.for === "outside");
      const control = service.operation.billing.refund.control(started.id);
      const [cancelled, completed] = await Promise.all([
        started.cancel(),
        control.complete({ order: "x", by: "outside" }).then(
          () => true,
          () => false,
        ),
      ]);
      const { state } = await started.get().orThrow();
      expect(state).toBe(completed ? "completed" : "cancelled");
      expect(cancelled.ok && cancelled.value.state === "cancelled").toBe(!completed);
    }
  }, 90_000);

  it("a cancel and a signal that meet the end of a handler leave one end, and all hear the same", async () => {
    await Promise.all(
      [1, 2].map(() =>
        serve(async ({ input, op, signal }) => {
          await op.step("work", () => wait(input.ms ?? 0));
          signal.throwIfAborted();
          return ok({ order: input.order, by: "its handler" });
        }),
      ),
    );
    const seed = chosenSeed();
    const random = randomOf(seed);
    const meet = async (n: number) => {
      const input = { order: `meet ${n}`, ms: Math.floor(random() * 40) };
      const cancelAfterMs = random() * 60;
      const started = await caller.operation.billing.refund.start(input, { timeoutMs: 30_000 }).orThrow();
      const waited = started.wait({ timeoutMs: 60_000 });
      await wait(cancelAfterMs);
      const [cancelled, signalled] = await Promise.all([
        started.cancel("meanwhile", { timeoutMs: 30_000 }),
        started.signal("approve", { by: "Ada" }, { timeoutMs: 30_000 }),
      ]);
      const heard = await waited;
      const { state, revision } = await started.get().orThrow();
      const told = `TRELLIS_SEED=${seed}: ${n} is ${state}`;
      // Each of them was stored, or came too late for an end that was stored.
      for (const answer of [cancelled, signalled])
        if (!answer.ok) expect(answer.error, told).toMatchObject({ type: "OperationError", reason: "over" });
      if (!cancelled.ok) expect(state, told).toBe("completed");
      else if (cancelled.value.state !== "running") expect(state, told).toBe(cancelled.value.state);
      if (state === "completed") expect(heard, told).toMatchObject({ ok: true, value: { by: "its handler" } });
      else expect(heard, told).toMatchObject({ ok: false, error: { reason: "cancelled" } });
      return { id: started.id, state, revision };
    };
    const ends: Awaited<ReturnType<typeof meet>>[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (ends.length < 80) ends.push(await meet(ends.length));
      }),
    );
    // Both happened, so that they have really met.
    expect(new Set(ends.map(({ state }) => state))).toEqual(new Set(["completed", "cancelled"]));
    await using data = await connectData(platform);
    const stored = await storedOperations(data, "billing");
    for (const { id, state, revision } of ends)
      expect(stored.get(id)?.map(({ record }) => [record.kind, record.snapshot.revision])).toEqual([[state, revision]]);
  }, 120_000);

  it("is its owner alone: others hear that there is no such operation", async () => {
    await serve(({ op }) => op.defer());
    const started = await start("mine");
    const stranger = await makePerson(platform, "stranger", ["admin"]);
    await using other = await stranger.connect(shop);
    const theirs = other.operation.billing.refund.resume(started.id);
    for (const result of await Promise.all([theirs.get(), theirs.cancel(), theirs.signal("approve", { by: "x" })]))
      expect(result.ok ? undefined : result.error).toMatchObject({ type: "OperationError", reason: "not_found" });
    const waited = await theirs.wait({ timeoutMs: 10_000 });
    expect(waited.ok ? undefined : waited.error).toMatchObject({ reason: "not_found" });
    await expect(theirs.watch().next()).rejects.toMatchObject({ reason: "not_found" });
    // The same key is another operation for somebody else.
    const keyed = await caller.operation.billing.refund.start({ order: "a" }, { key: "shared" }).orThrow();
    const foreign = await other.operation.billing.refund.start({ order: "b" }, { key: "shared" }).orThrow();
    expect(foreign).toMatchObject({ created: true });
    expect(foreign.id).not.toBe(keyed.id);
    await started.cancel().orThrow();
    await eventually("it is cancelled", async () => (await started.get().orThrow()).state === "cancelled");
  });

  it("many can watch one operation, and all see its end", async () => {
    const gate = Promise.withResolvers<void>();
    await serve(async ({ input, op }) => {
      await gate.promise;
      for (let percent = 1; percent <= 20; percent += 1) op.progress({ percent });
      return ok({ order: input.order, by: "seen" });
    });
    const started = await start("watched");
    let watching = 0;
    const all = Array.from({ length: 300 }, async () => {
      let last = "";
      for await (const { type } of caller.operation.billing.refund.resume(started.id).watch()) {
        if (last === "") watching += 1;
        last = type;
      }
      return last;
    });
    await eventually("all watch", () => watching === all.length);
    gate.resolve();
    expect(new Set(await Promise.all(all))).toEqual(new Set(["completed"]));
    await using data = await connectData(platform);
    expect((await storedOperations(data, "billing")).get(started.id)?.map(({ record }) => record.kind)).toEqual([
      "completed",
    ]);
  }, 90_000);
});

/** The same contract with another result, or with one more member of it. */
function otherBilling(output: "another" | "wider") {
  return defineServiceContract(
    {
      schemas: {
        Refund: Type.Object({
          order: Type.String(),
          ms: Type.Optional(Type.Integer()),
          how: Type.Optional(Type.String()),
          note: Type.Optional(Type.String()),
        }),
        Progress: Type.Object({ percent: Type.Number() }),
        Refunded: Type.Object({ order: Type.String(), by: output === "another" ? Type.Integer() : Type.String() }),
        Approval: Type.Object({ by: Type.String() }),
      },
    },
    (ref) => ({
      id: "billing@v1",
      displayName: "Billing",
      description: "Runs operations in tests.",
      operations: {
        "Billing.Refund": {
          version: "v1",
          input: ref.schema("Refund"),
          progress: ref.schema("Progress"),
          output: ref.schema("Refunded"),
          capabilities: { call: [], cancel: [] },
          signals: { approve: { input: ref.schema("Approval") } },
        },
        "Billing.Short": {
          version: "v1",
          input: ref.schema("Refund"),
          output: ref.schema("Refunded"),
        },
      },
    }),
  );
}

describe("operations over versions of their contract", () => {
  it("wait for a version that can go on with them, and say why", async () => {
    await using platform = await startPlatform();
    const first = await platform.connectService(billing, { log: SILENT_LOG });
    first.handle.operation.billing.refund(async ({ input, op }) => {
      const by = await op.step("decide", () => "the first version");
      await op.sleep(3_000);
      return ok({ order: input.order, by });
    });
    first.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await first.start();
    const caller = await platform.connectClient(shop);
    const started = await caller.operation.billing.refund.start({ order: "v" }).orThrow();
    await eventually("it sleeps", async () => (await started.get().orThrow()).pause?.for === "time");
    await first.stop();

    const breaking = await platform.connectService(otherBilling("another"), { log: SILENT_LOG });
    breaking.handle.operation.billing.refund(({ input }) => ok({ order: input.order, by: 2 }));
    breaking.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: 2 }));
    await breaking.start();
    const pause = await eventually("it says why it waits", async () => {
      const now = await started.get();
      return now.ok && now.value.pause?.for === "replica" ? now.value.pause : undefined;
    });
    expect(pause.reason).toContain("the output of Billing.Refund");
    await breaking.stop();

    const compatible = await platform.connectService(otherBilling("wider"), { log: SILENT_LOG });
    compatible.handle.operation.billing.refund(async ({ input, op }) => {
      const by = await op.step("decide", () => "the third version");
      await op.sleep(3_000);
      return ok({ order: input.order, by: `${by}, ended by the third` });
    });
    compatible.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await compatible.start();
    expect(await started.wait({ timeoutMs: 60_000 }).orThrow()).toEqual({
      order: "v",
      by: "the first version, ended by the third",
    });
    await compatible.stop();
  }, 120_000);
});
