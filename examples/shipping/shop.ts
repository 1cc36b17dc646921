import { TrellisService } from "@trellis/server/node";
import contract from "./orders-contract.ts";

const shop = await TrellisService.connect({ contract, name: "shop-orders" });
await shop.start();

const { id, sequence } = await shop.event.orders.placed
  .publish({ id: "o_1", address: "12 Bicycle Lane", status: "express" })
  .orThrow();
console.log(`stored as event ${sequence}, id of ${id.length} characters`);

await shop.stop();
