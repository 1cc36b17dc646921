import { err, ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { TrellisService } from "@trellis/server/node";
import type { TrellisClient } from "@trellis/client/node";
import { Refused } from "@trellis/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { billing, NoFunds, shop } from "./operations/contract.ts";
import { eventually } from "./resilience/kit/eventually.ts";

const REFUND = "Billing.Refund";

describe("operations, for operators", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  let service: TrellisService<typeof billing>;
  let poor = true;
  const ran: string[] = [];

  beforeAll(async () => {
    platform = await startPlatform();
    service = await platform.connectService(billing, { log: SILENT_LOG });
    service.handle.operation.billing.refund(async ({ input, op }) => {
      ran.push(input.order);
      if (input.how === "wait") await op.nextSignal("approve");
      if (poor && input.how === "pay") return err(new NoFunds({ missing: 7 }));
      return ok({ order: input.order, by: "operator" });
    });
    service.handle.operation.billing.short(async ({ input, signal }) => {
      if (input.how === "wait")
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return ok({ order: input.order, by: "short" });
    });
    await service.start();
    caller = await platform.connectClient(shop);
  });
  afterAll(() => platform.stop());

  const refund = (order: string, how?: string) =>
    caller.operation.billing.refund.start({ order, ...(how === undefined ? {} : { how }) }).orThrow();
  const list = (filter: object = {}) => platform.admin.rpc.trellis.operationsList(filter).orThrow();

  it("are listed a page at a time, each once, the newest first", async () => {
    const started = [];
    for (let count = 0; count < 7; count += 1) {
      const one = await refund(`page ${count}`);
      await one.wait().orThrow();
      started.unshift(one.id);
    }
    const pages: string[][] = [];
    for (let cursor: string | undefined, more = true; more;) {
      const page = await list({
        service: "billing",
        operation: REFUND,
        limit: 3,
        ...(cursor === undefined ? {} : { cursor }),
      });
      pages.push(page.operations.map(({ id }) => id));
      cursor = page.nextCursor;
      more = cursor !== undefined;
    }
    expect(pages.flat()).toEqual(started);
    expect(Math.max(...pages.map((ids) => ids.length))).toBe(3);
    expect((await list({ operation: "Billing.Short" })).operations).toEqual([]);
  });

  it("say why one has failed; retried, it really begins again with the input it had", async () => {
    const one = await refund("retried", "pay");
    expect(await one.wait()).toMatchObject({ ok: false });
    expect((await list({ state: "failed" })).operations).toMatchObject([
      { id: one.id, service: "billing", state: "failed", attempt: 1, problem: { type: "NoFunds" } },
    ]);
    poor = false;
    const before = ran.filter((order) => order === "retried").length;
    await platform.admin.rpc.trellis.operationsRetry({ operation: REFUND, id: one.id }).orThrow();
    expect(await one.wait().orThrow()).toEqual({ order: "retried", by: "operator" });
    expect(ran.filter((order) => order === "retried")).toHaveLength(before + 1);
    const details = await platform.admin.rpc.trellis.operationsGet({ operation: REFUND, id: one.id }).orThrow();
    expect(details).toMatchObject({
      operation: { state: "completed", ownerName: expect.any(String) },
      input: { order: "retried", how: "pay" },
      output: { order: "retried", by: "operator" },
      digest: billing.digest,
    });
    expect(details.history.map(({ kind }) => kind)).toEqual(["claimed", "failed", "retried", "claimed", "completed"]);
  });

  it("cancel one that runs: its caller hears of it, and the log of decisions has who it was", async () => {
    const one = await refund("cancelled", "wait");
    await eventually("it runs", async () => (await one.get().orThrow()).state === "running");
    await platform.admin.rpc.trellis
      .operationsCancel({ operation: REFUND, id: one.id, reason: "ordered twice" })
      .orThrow();
    expect(await one.wait()).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    const { records } = await eventually("the audit has it", async () => {
      const page = await platform.admin.rpc.auth.auditList({ action: "operation.cancel" }).orThrow();
      return page.records.length > 0 && page;
    });
    expect(records[0]).toMatchObject({ target: "billing", detail: { id: one.id, reason: "ordered twice" } });
    const again = await platform.admin.rpc.trellis.operationsCancel({ operation: REFUND, id: one.id });
    // What is cancelled stays so, and saying it again is no mistake.
    expect(again).toMatchObject({ ok: true, value: { state: "cancelled" } });
    const done = await refund("done");
    await done.wait().orThrow();
    const late = await platform.admin.rpc.trellis.operationsCancel({ operation: REFUND, id: done.id });
    expect(!late.ok && late.error).toBeInstanceOf(Refused);
  });

  it("let one begin again that was cancelled while it ran: it is not cancelled once more", async () => {
    const one = await refund("once more", "wait");
    await eventually("it runs", async () => (await one.get().orThrow()).state === "running");
    await one.cancel().orThrow();
    expect(await one.wait()).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    await platform.admin.rpc.trellis.operationsRetry({ operation: REFUND, id: one.id }).orThrow();
    await eventually("it runs again", async () => (await one.get().orThrow()).attempt === 1);
    await one.signal("approve", { by: "Ada" }).orThrow();
    expect(await one.wait({ timeoutMs: 20_000 }).orThrow()).toEqual({ order: "once more", by: "operator" });
    // This wish to cancel is a new one.
    const other = await refund("twice", "wait");
    for (let times = 0; times < 2; times += 1) {
      await eventually("it runs", async () => (await other.get().orThrow()).state === "running");
      await other.cancel().orThrow();
      expect(await other.wait({ timeoutMs: 20_000 })).toMatchObject({ ok: false, error: { reason: "cancelled" } });
      if (times === 0) await platform.admin.rpc.trellis.operationsRetry({ operation: REFUND, id: other.id }).orThrow();
    }
  });

  it("cancel one that its callers may not cancel, while it runs", async () => {
    const one = await caller.operation.billing.short.start({ order: "theirs", how: "wait" }).orThrow();
    await eventually("it runs", async () => (await one.get().orThrow()).state === "running");
    await platform.admin.rpc.trellis.operationsCancel({ operation: "Billing.Short", id: one.id }).orThrow();
    expect(await one.wait({ timeoutMs: 20_000 })).toMatchObject({ ok: false, error: { reason: "cancelled" } });
  });

  it("list what was accepted and has not begun, because the replica has its hands full", async () => {
    await service.stop();
    const busy = await platform.connectService(billing, { log: SILENT_LOG, limits: { maxOperations: 1 } });
    const go = Promise.withResolvers<void>();
    busy.handle.operation.billing.refund(async ({ input }) => {
      await go.promise;
      return ok({ order: input.order, by: "busy" });
    });
    busy.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await busy.start();
    const first = await refund("first");
    await eventually("it runs", async () => (await first.get().orThrow()).state === "running");
    const waiting = [await refund("second"), await refund("third")];
    const ids = (await list({ state: "pending" })).operations.map(({ id }) => id);
    expect(ids).toEqual(waiting.map(({ id }) => id));
    const one = await list({ state: "pending", limit: 1 });
    expect(one.operations.map(({ id }) => id)).toEqual(ids.slice(0, 1));
    const rest = await list({ state: "pending", limit: 1, cursor: one.nextCursor });
    expect(rest.operations.map(({ id }) => id)).toEqual(ids.slice(1));
    go.resolve();
    for (const each of waiting) await each.wait().orThrow();
    expect((await list({ state: "pending" })).operations).toEqual([]);
  });

  it("say which one there is not", async () => {
    const missing = await platform.admin.rpc.trellis.operationsGet({ operation: REFUND, id: "billing_nothing" });
    expect(missing).toMatchObject({ ok: false, error: { type: "NotFound" } });
  });
});
