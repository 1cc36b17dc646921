import { expect, test } from "vitest";
import { isJobId, jobIdOfKey, newJobId } from "./job-id.ts";
import { readJobSubject, readRecordBody, writeRecord } from "./job-record.ts";

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
