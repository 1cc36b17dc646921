import { setTimeout as pause } from "node:timers/promises";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { billing, shop } from "./contract.ts";

const OPENED_AT_ONCE = 250;
const WITHIN_MS = 300_000;

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
  const seen = Array.from({ length: watchers }, () => ({ updates: 0, last: "", revision: 0, backwards: false }));
  // A replica checks so many signatures at a time; nobody opens ten thousand watches in one instant.
  const wave = Math.ceil(watchers / OPENED_AT_ONCE);
  const watching = seen.map(async (mine, at) => {
    await pause((at % wave) * 100);
    const caller = callers[at % clients] ?? first;
    for await (const { type, snapshot } of caller.operation.billing.refund.resume(id).watch()) {
      mine.updates += 1;
      mine.backwards ||= snapshot.revision < mine.revision;
      mine.revision = snapshot.revision;
      mine.last = type === "snapshot" ? snapshot.state : type;
    }
  });
  await eventually("all see it", () => seen.every(({ updates }) => updates > 0), WITHIN_MS);
  go.resolve();
  await Promise.all(watching);
  expect(seen.filter(({ last, backwards }) => last !== "completed" || backwards)).toEqual([]);
}
