// The service whose memory is measured: node warehouse-process.js <address> <seed file>. Says how much it has when asked.
import { ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import { warehouse } from "./contract.ts";
import { tellMemory } from "./tell-memory.ts";

const [, , url = "", seedFile = ""] = process.argv;
const thing: { name: string; colour: "red"; weights: number[] } = { name: "box", colour: "red", weights: [1, 2] };
const service = await TrellisService.connect({
  contract: warehouse,
  url,
  seedFile,
  env: {},
  onNotice: () => undefined,
});
service.handle.all({
  "Things.Get": () => ok(thing),
  "Things.List": () => ok({ things: [thing] }),
  "Things.Put": () => ok(thing),
  "Things.Rename": () => ok(thing),
  "Things.Weigh": () => ok(thing),
  "Things.Paint": () => ok(thing),
  "Things.Count": () => ok(thing),
  "Things.Forget": () => ok(thing),
});
service.handle.feed.things.live(async function* () {
  yield thing;
});
service.handle.feed.things.scale(async function* () {
  yield thing;
});
service.handle.job.paint(() => ok(thing));
service.handle.job.weigh(() => ok(thing));
service.handle.events.count(() => undefined);
await service.start();
tellMemory();
