import { TransportError } from "@trellis/protocol";
import { expect, it } from "vitest";
import type { JobRecord, JobRecordBody } from "./job-record.ts";
import { PackClaim } from "./pack-claim.ts";

const PACK = "01M8Q0W7AV2Y9E9050N7CVV6HK";
const body: JobRecordBody = { id: PACK, context: { requestId: PACK }, claim: "a", worker: "w", size: 8 };

/** The row of one pack, as the stream keeps it, and its claim. */
function claimed() {
  const place = { service: "s", queue: "q", event: "started", order: 0, inPack: false, at: 0 } as const;
  const row: JobRecord[] = [{ ...place, sequence: 1, body }];
  const newest = (): JobRecord => row.at(-1) ?? expect.fail();
  const store = (record: JobRecordBody) => row.push({ ...place, sequence: newest().sequence + 1, body: record });
  let before: (record: JobRecordBody) => void = () => undefined;
  let read = newest;
  const journal = {
    append: (_: string, record: JobRecordBody, { expect: expected }: { expect: { sequence: number } }) => {
      const early = before;
      before = () => undefined;
      return Promise.resolve().then(() => {
        early(record);
        const { sequence } = newest();
        if (sequence !== expected.sequence) return { kind: "refused" as const, lastSequence: sequence };
        store(record);
        return { kind: "stored" as const, sequence: newest().sequence };
      });
    },
    ofPack: () => Promise.resolve(read()),
  };
  return {
    pack: new PackClaim({ journal, body, fence: 1, signal: new AbortController().signal }),
    told: () => newest().body.completed?.map(({ at }) => at),
    store,
    /** Happens before the next record gets to the stream. */
    beforeNext: (happens: (record: JobRecordBody) => void) => void (before = happens),
    /** What is read is as old as this. */
    lag: (old: JobRecord) => void (read = () => old),
    row,
  };
}

it("tells what ends meanwhile with one record, and only the new of it as new", async () => {
  const { pack, row } = claimed();
  const first = [0, 1, 2].map((at) => pack.complete(`${PACK}-${at}`, undefined));
  expect(await Promise.all(first)).toEqual([true, true, true]);
  expect(await pack.complete(`${PACK}-3`, 7)).toBe(true);
  expect(row.map(({ body: { completed = [], told } }) => [completed.length, told])).toEqual([
    [0, undefined],
    [3, 0],
    [4, 3],
  ]);
});

it("completes nothing more once somebody has split the pack", async () => {
  const { pack, store, beforeNext, told } = claimed();
  beforeNext(() => store({ ...body, for: "split" }));
  expect(await pack.complete(`${PACK}-0`, undefined)).toBe(false);
  expect(await pack.complete(`${PACK}-1`, undefined)).toBe(false);
  expect(told()).toBeUndefined();
});

it("finds what was stored although the answer was lost", async () => {
  const { pack, store, beforeNext } = claimed();
  beforeNext((record) => store(record));
  expect(await pack.complete(`${PACK}-0`, undefined)).toBe(true);
  expect(await pack.complete(`${PACK}-1`, undefined)).toBe(true);
});

it("does not let a job end by itself that may be completed in a record it cannot read", async () => {
  const { pack, store, beforeNext, lag, row } = claimed();
  beforeNext((record) => store(record));
  lag(row[0] ?? expect.fail());
  await expect(pack.complete(`${PACK}-0`, undefined)).rejects.toThrow("cannot be read");
});

it("goes on after a record that could not be stored", async () => {
  const { pack, beforeNext, told } = claimed();
  let meanwhile: Promise<boolean> | undefined;
  beforeNext(() => {
    meanwhile = pack.complete(`${PACK}-1`, undefined);
    throw new TransportError("overloaded");
  });
  await expect(pack.complete(`${PACK}-0`, undefined)).rejects.toThrow(TransportError);
  expect(await meanwhile).toBe(true);
  expect(await pack.complete(`${PACK}-2`, undefined)).toBe(true);
  // The first is completed too: it is found so when the pack comes again.
  expect(told()).toEqual([0, 1, 2]);
});
