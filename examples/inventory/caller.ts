import { TrellisClient } from "@trellis/client/node";
import { NotEnough } from "./contract.ts";
import till from "./till.ts";

await using client = await TrellisClient.connect({ contract: till });
const { stock } = client.rpc;

await stock.deliver({ sku: "bell-brass", name: "Brass bell", count: 3 }).orThrow();

// Five people want one at the same moment.
const takings = await Promise.all(Array.from({ length: 5 }, () => stock.take({ sku: "bell-brass", count: 1 })));
console.log(`${takings.filter(({ ok }) => ok).length} of 5 got one`);
for (const taking of takings) if (!taking.ok && !(taking.error instanceof NotEnough)) throw taking.error;

console.log(JSON.stringify(await stock.list({}).orThrow()));
const sheet = await stock.sheet({}).orThrow();
const csv = await sheet.bytes().orThrow();
console.log(`${sheet.output.name} has ${csv.length} bytes`);

// Somebody has counted, and sends the sheet back.
const count = await client.operation.stock.count.input({ name: "counted.csv" }).transfer(csv).start().orThrow();
console.log(`${(await count.wait().orThrow()).items} item counted`);
