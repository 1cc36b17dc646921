import { TrellisClient } from "@trellis/client/node";
import { AlreadyPaid } from "./contract.ts";
import contract from "./desk.ts";

await using client = await TrellisClient.connect({ contract });
const { pay } = client.operation.refunds;

const small = await pay.start({ order: "o_1", cents: 500 }, { key: "refund of o_1" }).orThrow();
for await (const { type, snapshot } of small.watch())
  console.log(`${type}: attempt ${snapshot.attempt}, ${snapshot.progress?.percent ?? 0} %`);
console.log((await small.wait().orThrow()).receipt);

const large = await pay.start({ order: "o_2", cents: 50_000 }).orThrow();
await large.signal("approve", { by: "Ada" }).orThrow();
console.log(await large.wait().orThrow());

const outcome = await pay.run({ order: "o_0", cents: 1 }, { timeoutMs: 60_000 });
if (!outcome.ok && outcome.error instanceof AlreadyPaid) console.log(outcome.error.message);
