import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { billing, shop } from "./contract.ts";

/** More at once than a busy machine can open before they give up and try again would help nobody. */
const OPENING = 64;

/** One operation on two replicas, watched by so many at once: each sees where it stands, what happens, and its end. */
export async function watchByMany(watchers: number, clients: number): Promise<void> {
  await using platform = await startPlatform();
  const go = Promise.withResolvers<void>();
  for (let replica = 0; replica < 2; replica += 1) {
    const service = await platform.connectService(billing, { log: SILENT_LOG });
    service.handle.operation.billing.refund(async ({ input, op }) => {
      await go.promise;
      for (const percent of [10, 50, 90]) {
        op.progress({ percent });
        await op.step(`to ${percent}`, () => percent);
      }
      return ok({ order: input.order, by: "watched" });
    });
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await service.start();
  }
  const callers = await Promise.all(Array.from({ length: clients }, () => platform.connectClient(shop, QUIET)));
  const [first] = callers;
  if (first === undefined) throw new Error("nobody asks");
  const { id } = await first.operation.billing.refund.start({ order: "watched" }).orThrow();
  const seen = Array.from({ length: watchers }, () => ({ last: "", revision: 0, backwards: false }));
  const watching: Promise<void>[] = [];
  /** Resolves when this one sees where the operation stands; goes on watching. */
  const open = (mine: (typeof seen)[number], at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const caller = callers[at % clients] ?? first;
      const watch = async (): Promise<void> => {
        for await (const { type, snapshot } of caller.operation.billing.refund.resume(id).watch()) {
          mine.backwards ||= snapshot.revision < mine.revision;
          mine.revision = snapshot.revision;
          mine.last = type === "snapshot" ? snapshot.state : type;
          resolve();
        }
      };
      const whole = watch();
      whole.catch(reject);
      watching.push(whole);
    });
  const opening = seen.entries();
  await Promise.all(
    Array.from({ length: OPENING }, async () => {
      for (const [at, mine] of opening) await open(mine, at);
    }),
  );
  go.resolve();
  await Promise.all(watching);
  expect(seen.filter(({ last, backwards }) => last !== "completed" || backwards)).toEqual([]);
}
