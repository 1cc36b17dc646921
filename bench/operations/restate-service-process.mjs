// The same operations as Restate has them: `BENCH_RESTATE_SDK=… BENCH_PORT=… node restate-service-process.mjs`. Plain
// JavaScript: the SDK is installed for this benchmark alone, so there are no types to check against.
import { pathToFileURL } from "node:url";

process.on("disconnect", () => process.exit());
const restate = await import(pathToFileURL(process.env["BENCH_RESTATE_SDK"] ?? "").href);
const durable = restate.service({
  name: "Durable",
  handlers: {
    none: async () => ({ begunAt: Date.now() }),
    three: async (context) => {
      const begunAt = Date.now();
      for (const name of ["one", "two", "three"]) await context.run(name, () => name);
      return { begunAt };
    },
  },
});
await restate.endpoint().bind(durable).listen(Number(process.env["BENCH_PORT"]));
process.send?.({ type: "ready" });
