// One side of a contender: `node side-process.ts <contender> <work | create | idle>`; the parent says what to do.
import { setTimeout as pause } from "node:timers/promises";
import { contender as bare } from "./bare.ts";
import { contender as bullmq } from "./bullmq.ts";
import type { JobsContender } from "./contender.ts";
import { graphile } from "./graphile.ts";
import type { FromSide, ToSide } from "./side.ts";
import { contender as trellis } from "./trellis.ts";

const contenders: { readonly [name: string]: JobsContender } = {
  trellis,
  bare,
  bullmq,
  "graphile-plain": graphile("plain"),
  "graphile-batched": graphile("batched"),
};

const [name = "", role = ""] = process.argv.slice(2);
const contender = contenders[name];
if (contender === undefined) throw new Error(`there is no contender ${name}`);
process.on("disconnect", () => process.exit());
const tell = (message: FromSide): void => void process.send?.(message);
const ask = await play(contender);
process.on("message", (message: ToSide) => {
  ask(message).then(tell, (error: unknown) => tell({ type: "failed", message: String(error) }));
});
tell({ type: "ready" });

async function play(chosen: JobsContender): Promise<(message: ToSide) => Promise<FromSide>> {
  if (role === "work") {
    await chosen.work("work", () => undefined);
    return () => Promise.resolve({ type: "failed", message: "this side only works" });
  }
  if (role === "create") {
    const creator = await chosen.creator("work");
    let created = 0;
    return async ({ count }) => {
      const startedAt = performance.now();
      await creator.create(count);
      const acceptedAt = performance.now();
      created += count;
      while ((await creator.ended()) < created) await pause(4);
      return { type: "ran", acceptedMs: acceptedAt - startedAt, endedMs: performance.now() - startedAt };
    };
  }
  let began: (() => void) | undefined;
  const creator = await chosen.creator("idle");
  await chosen.work("idle", () => began?.());
  return async ({ count }) => {
    const pickUpMs: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const running = new Promise<void>((resolve) => (began = resolve));
      const startedAt = performance.now();
      await Promise.all([creator.create(1), running.then(() => pickUpMs.push(performance.now() - startedAt))]);
      // Its end is stored, and the worker waits for the next one, long before this is over.
      await pause(15);
    }
    return { type: "picked-up", pickUpMs };
  };
}
