import { setTimeout as wait } from "node:timers/promises";
import { ValidationError } from "@trellis/protocol";
import { frame, TrellisService } from "@trellis/server/node";
import contract from "./contract.ts";
import { msUntil, positionAt, stepNow } from "./route.ts";

const service = await TrellisService.connect({ contract, name: "tracking" });

service.handle.feed.vans.positions(async function* ({ input, cursor, signal, log, caller }) {
  log.info(`${caller.name} follows ${input.van}`);
  let step = cursor === undefined ? stepNow() : Number(cursor) + 1;
  // A cursor comes back from outside: it is checked like any input.
  if (!Number.isSafeInteger(step)) throw new ValidationError([{ path: "", message: "This is not a cursor." }]);
  for (; ; step += 1) {
    await wait(msUntil(step), undefined, { signal });
    yield frame(positionAt(input.van, step), String(step));
  }
});

await service.run();
