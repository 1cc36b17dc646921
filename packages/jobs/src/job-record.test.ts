import { expect, test } from "vitest";
import { isJobId, jobIdInPack, jobIdOfKey, newJobId, packOf } from "./job-id.ts";
import { readJobSubject, readRecordBody, writeRecord } from "./job-record.ts";
import { recordInPack, toRecords } from "./stored-records.ts";

test("a job subject is read back, and nothing else is one", () => {
  expect(readJobSubject("trellis.jobs.mailer.letters.j1.created")).toEqual({
    service: "mailer",
    queue: "letters",
    id: "j1",
    event: "created",
  });
  for (const other of [
    "trellis.jobs.mailer.letters.j1",
    "trellis.jobs.mailer.letters.j1.burnt",
    "trellis.jobs.mailer.letters.j1.created.more",
    "trellis.work.mailer.letters",
    "trellis.jobs..letters.j1.created",
  ])
    expect(readJobSubject(other), other).toBeUndefined();
});

test("a record is what was written; anything that is not one is refused", () => {
  const body = { id: "j1", context: { requestId: "r" }, claim: "c", attempt: 2, for: "cancel" as const };
  expect(readRecordBody(writeRecord(body))).toEqual(body);
  for (const text of [
    "",
    "null",
    "[]",
    "{}",
    '{"id":"j1"}',
    '{"id":1,"context":{}}',
    '{"id":"j","context":{},"attempt":"2"}',
    '{"id":"j","context":{},"attempt":1.5}',
    '{"id":"j","context":{},"for":"fun"}',
    '{"id":"j","context":{},"deadlineAt":9e15}',
    '{"id":"j","context":{},"notBefore":-1e400}',
    '{"id":"j","context":{},"error":{"type":7,"message":"m"}}',
    '{"id":"j","context":{},"schedule":{"name":{},"dueAt":1}}',
    '{"id":"j","context":{},"jobs":[]}',
    '{"id":"j","context":{},"jobs":[{"id":"a"}]}',
    `{"id":"j","context":{},"jobs":[${Array(65).fill('{"id":"j","context":{}}').join()}]}`,
    `${'{"id":"j","context":{},"jobs":['.repeat(20_000)}${"]}".repeat(20_000)}`,
    '{"id":"j","context":{},"size":65}',
    '{"id":"j","context":{},"completed":[{"at":64}]}',
    '{"id":"j","context":{},"completed":[{"at":0.5}]}',
    '{"id":"j","context":{},"after":1}',
  ])
    expect(readRecordBody(new TextEncoder().encode(text)), text).toBeUndefined();
  expect(readRecordBody(new Uint8Array([0xff]))).toBeUndefined();
});

test("ids fit into a subject; one key is one id, whatever it is made of", () => {
  const id = newJobId(1_735_689_700_000);
  expect(isJobId(id)).toBe(true);
  expect(newJobId(1_735_689_700_001) > id.slice(0, 10)).toBe(true);
  const key = "order 7.* > \u{1F41D}";
  expect(jobIdOfKey(key)).toBe(jobIdOfKey(key));
  expect(isJobId(jobIdOfKey(key))).toBe(true);
  expect(jobIdOfKey("a")).not.toBe(jobIdOfKey("b"));
  for (const bad of ["", "a.b", "*", "a b", "x".repeat(65)]) expect(isJobId(bad), bad).toBe(false);
});

const PACK = newJobId(1_735_689_700_000);

test("a record of a pack says what happened to each of its jobs, and nothing twice", () => {
  const stored = (event: string, body: object, sequence: number) => ({
    subject: `trellis.jobs.mailer.letters.${PACK}.${event}`,
    sequence,
    time: "2026-11-30T00:00:00Z",
    data: new TextEncoder().encode(JSON.stringify({ id: PACK, context: { requestId: "r" }, ...body })),
  });
  const told = (event: string, body: object): readonly unknown[] =>
    toRecords(stored(event, body, 7)).map((record) => [record.body.id, record.event, record.order]);
  const jobs = [0, 1, 2].map((n) => ({ id: "whatever it says", context: { requestId: "r" }, payload: n }));
  const places = [0, 1, 2].map((at) => [jobIdInPack(PACK, at), 7 + at / 128]);
  expect(told("created", { jobs })).toEqual(places.map(([id, order]) => [id, "created", order]));
  expect(told("started", { size: 3, claim: "c" })).toEqual(places.map(([id, order]) => [id, "started", order]));
  const completed = [{ at: 2, result: "a" }, { at: 0 }];
  expect(told("started", { size: 3, completed, told: 1 })).toEqual([[jobIdInPack(PACK, 0), "completed", 7]]);
  expect(told("started", { size: 3, completed })).toEqual([
    [jobIdInPack(PACK, 0), "completed", 7],
    [jobIdInPack(PACK, 2), "completed", 7 + 2 / 128],
  ]);
  // Split, and handed out again: nothing happened.
  expect(told("started", { size: 3, completed, for: "split" })).toEqual([]);
  expect(told("created", { jobs: jobs.slice(0, 1), since: 3 })).toEqual([]);

  const newest = stored("started", { size: 3, claim: "c", completed }, 9);
  expect(recordInPack(newest, 2, "*")).toMatchObject({ event: "completed", body: { result: "a", claim: "c" } });
  expect(recordInPack(newest, 2, "started")).toMatchObject({ event: "started", body: { claim: "c" } });
  expect(recordInPack(newest, 1, "*")).toMatchObject({ event: "started" });
  expect(recordInPack(newest, 1, "completed")).toBeUndefined();
});

test("only an id that was made for it is one of a pack", () => {
  expect(packOf(jobIdInPack(PACK, 63))).toEqual({ pack: PACK, at: 63 });
  for (const other of [PACK, jobIdOfKey("k"), newJobId(0, "high"), `${PACK}-`, `${PACK}-100`, `x${PACK}-1`])
    expect(packOf(other), other).toBeUndefined();
});
