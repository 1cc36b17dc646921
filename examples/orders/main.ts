import { err, ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import contract, { OrderNotFound } from "./contract.ts";

const service = await TrellisService.connect({ contract, name: "orders" });

const orders = new Map([["o_1", { id: "o_1", item: "A blue bicycle", status: "placed" }]]);

service.handle.rpc.orders.get(({ input }) => {
  const order = orders.get(input.id);
  return order ? ok(order) : err(new OrderNotFound({ id: input.id }));
});

service.handle.rpc.orders.place(({ input, caller, log }) => {
  const order = { id: `o_${orders.size + 1}`, item: input.item, status: "placed" };
  orders.set(order.id, order);
  log.info(`${caller.name} ordered ${order.item}`);
  return ok(order);
});

await service.run(); // serves until SIGTERM, then finishes what it accepted and takes nothing new
