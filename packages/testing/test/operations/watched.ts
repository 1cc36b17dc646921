import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { Log } from "@trellis/server";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { billing, shop } from "./contract.ts";

/** One operation on two replicas, watched by so many at once: each sees where it stands, what happens, and its end. */
export async function watchByMany(watchers: number, clients: number): Promise<void> {
  await using platform = await startPlatform();
  const go = Promise.withResolvers<void>();
  const unanswered: unknown[] = [];
  const log: Log = {
    ...SILENT_LOG,
    debug: (message, fields) => void (message.includes("not answered") && unanswered.push(fields)),
    child: () => log,
  };
  for (let replica = 0; replica < 2; replica += 1) {
    const service = await platform.connectService(billing, { log });
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
  let watching = 0;
  await Promise.all(
    seen.map(async (mine, at) => {
      const caller = callers[at % clients] ?? first;
      for await (const { type, snapshot } of caller.operation.billing.refund.resume(id).watch()) {
        if (mine.last === "" && (watching += 1) === watchers) go.resolve();
        mine.backwards ||= snapshot.revision < mine.revision;
        mine.revision = snapshot.revision;
        mine.last = type === "snapshot" ? snapshot.state : type;
      }
    }),
  );
  expect(seen.filter(({ last, backwards }) => last !== "completed" || backwards)).toEqual([]);
  // A client that asks for thousands at once asks for them in turns: none was thrown away unread.
  expect(unanswered).toEqual([]);
}
