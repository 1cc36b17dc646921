// The service that files are sent to, in a process of its own: node depot.ts <address>
import { ok } from "@trellis/result";
import { fromStore, SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { SERVICE_KEY_FILE } from "../kv/storage-arena.ts";
import { depot } from "./contract.ts";

const [, , url = ""] = process.argv;
const seedFile = process.env[SERVICE_KEY_FILE];
if (seedFile === undefined) throw new Error(`${SERVICE_KEY_FILE} is not set`);
const service = await TrellisService.connect({ contract: depot, url, seedFile, env: {}, log: SILENT_LOG });
service.handle.rpc.files.read(async ({ input }) =>
  ok({ output: input, source: await fromStore(service.store.files, input.name).orThrow() }),
);
service.handle.operation.files.put(({ input }) => ok(input));
await service.start();
process.on("disconnect", () => process.exit());
process.send?.("serving");
