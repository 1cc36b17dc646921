import { TrellisClient } from "@trellis/client/node";
import { OrderNotFound } from "./contract.ts";
import dashboard from "./dashboard.ts";

await using client = await TrellisClient.connect({ contract: dashboard });

const order = await client.rpc.orders.get({ id: "o_1" }).orThrow();
console.log(JSON.stringify(order));

const missing = await client.rpc.orders.get({ id: "o_404" });
if (!missing.ok && missing.error instanceof OrderNotFound) console.log(missing.error.message);
