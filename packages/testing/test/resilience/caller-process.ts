// Connects, calls twice and says what it believes about the time: `TRELLIS_URL=… node caller-process.ts`.
import { TrellisClient } from "@trellis/client/node";
import { boss } from "./kit/work-contract.ts";

await using client = await TrellisClient.connect({ contract: boss });
const first = await client.rpc.work.do({ n: 1 });
const second = await client.rpc.work.do({ n: 2 });
const me = await client.rpc.auth.sessionsMe({}).orThrow();
console.log(JSON.stringify({ ok: [first.ok, second.ok], off: Date.now() - me.serverNow }));
