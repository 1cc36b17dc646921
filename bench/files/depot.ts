// The service that files are sent to, in a process of its own: node depot.ts <address>
import { ok } from "@trellis/result";
import { fromStore } from "@trellis/server";
import { connectDepot } from "./connect-depot.ts";

const [, , url = ""] = process.argv;
const service = await connectDepot(url);
service.handle.rpc.files.read(async ({ input }) =>
  ok({ output: input, source: await fromStore(service.store.files, input.name).orThrow() }),
);
service.handle.operation.files.put(({ input }) => ok(input));
await service.start();
process.on("disconnect", () => process.exit());
process.send?.("serving");
