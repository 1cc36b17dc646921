import { setTimeout as wait } from "node:timers/promises";
import { TransportError } from "@trellis/protocol";
import { expect, it } from "vitest";
import { JobPacker } from "./job-packer.ts";
import type { JobRecordBody } from "./job-record.ts";

const recordOf = (id: string): JobRecordBody => ({ id, context: { requestId: id } });

/** A stream that answers when it is told to. */
function slowStream() {
  const stored: {
    readonly record: JobRecordBody;
    readonly waitedMs: number;
    readonly answer: PromiseWithResolvers<void>;
  }[] = [];
  const packer = new JobPacker((record, waitedMs) => {
    const answer = Promise.withResolvers<void>();
    stored.push({ record, waitedMs, answer });
    return answer.promise;
  }, Date.now);
  return { packer, stored, sizes: () => stored.map(({ record }) => record.jobs?.length ?? 1) };
}

it("stores what comes alone at once and by itself, and what comes meanwhile together", async () => {
  const { packer, stored, sizes } = slowStream();
  const alone = [];
  for (let n = 0; n < 4; n += 1) {
    alone.push(packer.add(recordOf, 10));
    await wait(0);
  }
  const together = Array.from({ length: 70 }, () => packer.add(recordOf, 10));
  await wait(0);
  expect(sizes()).toEqual([1, 1, 1, 1]);
  for (const { answer } of [...stored]) answer.resolve();
  expect(new Set(await Promise.all(alone)).size).toBe(4);
  await wait(0);
  expect(sizes().slice(4)).toEqual([64, 6]);
  for (const { answer } of stored) answer.resolve();
  const ids = await Promise.all(together);
  expect(ids).toEqual(stored.slice(4).flatMap(({ record }) => record.jobs?.map(({ id }) => id) ?? []));
});

it("leaves what is large to the next record", async () => {
  const { packer, sizes } = slowStream();
  for (const bytes of [20_000, 20_000, 100_000, 10]) void packer.add(recordOf, bytes);
  await wait(0);
  expect(sizes()).toEqual([1, 1, 1, 1]);
});

it("tells everybody whose job could not be stored", async () => {
  const { packer, stored } = slowStream();
  const jobs = Promise.allSettled(Array.from({ length: 64 }, () => packer.add(recordOf, 10)));
  await wait(0);
  stored[0]?.answer.reject(new TransportError("overloaded"));
  expect((await jobs).map(({ status }) => status)).toEqual(Array.from({ length: 64 }, () => "rejected"));
});

it("says how long a record has waited for those before it, so that nobody waits many times over", async () => {
  const { packer, stored } = slowStream();
  for (let n = 0; n < 4; n += 1) {
    void packer.add(recordOf, 10);
    await wait(0);
  }
  void packer.add(recordOf, 10);
  await wait(50);
  void packer.add(recordOf, 10);
  await wait(50);
  stored[0]?.answer.resolve();
  await wait(0);
  expect(stored[4]?.record.jobs).toHaveLength(2);
  expect(stored[4]?.waitedMs).toBeGreaterThan(40);
  expect(stored[4]?.waitedMs).toBeLessThan(95);
});
