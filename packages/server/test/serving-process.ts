/** A service in a process of its own, over a nats-server without authentication: `node serving-process.ts <url>`. */
import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import { createService, SILENT_LOG } from "../src/internal.ts";
import { untilSignal } from "../src/node/until-signal.ts";
import { serviceCrypto } from "../src/node/service-crypto.ts";
import { testContract } from "./contract.ts";
import { openSession } from "./kit.ts";

const [, , url = ""] = process.argv;
const service = createService({
  contract: testContract,
  name: "test",
  session: await openSession(url),
  host: { crypto: serviceCrypto, untilAskedToStop: untilSignal },
  deps: undefined,
  log: SILENT_LOG,
});
service.handle.rpc.test.echo(({ input }) => ok(input));
service.handle.rpc.test.slowWork(async () => {
  console.log("working");
  await wait(400);
  return ok({});
});
await service.start();
console.log("ready");
await service.run();
console.log("drained");
