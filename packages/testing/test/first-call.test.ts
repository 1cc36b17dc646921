import { err, ok } from "@trellis/result";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import dashboard from "../../../examples/orders/dashboard.ts";
import orders, { OrderNotFound } from "../../../examples/orders/contract.ts";
import { startPlatform, type TestPlatform } from "../src/index.ts";

describe("a platform, a service and a caller", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  it("answers a typed, signed, authorised call and a declared error", async () => {
    const service = await platform.connectService(orders, { name: "orders" });
    const callers: string[] = [];
    service.handle.rpc.orders.get(({ input, caller }) => {
      callers.push(caller.name);
      return input.id === "o_1"
        ? ok({ id: "o_1", item: "bell", status: "placed" })
        : err(new OrderNotFound({ id: input.id }));
    });
    service.handle.rpc.orders.place(({ input }) => ok({ id: "o_2", item: input.item, status: "placed" }));
    await service.start();

    const client = await platform.connectClient(dashboard);
    expect(await client.rpc.orders.get({ id: "o_1" }).orThrow()).toEqual({ id: "o_1", item: "bell", status: "placed" });
    expect(callers).toEqual(["developer"]);
    const missing = await client.rpc.orders.get({ id: "o_404" });
    expect(!missing.ok && missing.error).toBeInstanceOf(OrderNotFound);
  });
});
