import { headers } from "@nats-io/nats-core";
import { expect, test } from "vitest";
import { LIMITS, parseRequestHeaders, parseRequestId, requestIds, writeRequestHeaders } from "./index.ts";

const sessionKey = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";
const proof = "sKUXy6Cv7Jum7Ca7UtdsFCpIAeF5BrCssbAZJ_OM7SPIuGY_MblnafY95Xaoz2PlPJi_GHQegAiX134ib3vgDg";
const nonce = "abcdefghijklmnopqrstu-";
const request = { sessionKey, proof, iat: 1_735_689_700, requestId: `${nonce}.7`, deadlineMs: 2_500 };

function written(change?: (one: ReturnType<typeof headers>) => void) {
  const one = headers();
  writeRequestHeaders(one, request);
  change?.(one);
  return one;
}

test("what is written reads back through the headers of nats.js", () => {
  expect(parseRequestHeaders(written())).toEqual({ ok: true, value: { ...request, id: { nonce, counter: 7 } } });
});

test("an absent deadline is the default and a long one is cut", () => {
  expect(parseRequestHeaders(written((one) => one.delete("deadline")))).toMatchObject({
    value: { deadlineMs: LIMITS.defaultDeadlineMs },
  });
  expect(parseRequestHeaders(written((one) => one.set("deadline", "999999999")))).toMatchObject({
    value: { deadlineMs: LIMITS.maxDeadlineMs },
  });
  const long = headers();
  writeRequestHeaders(long, { ...request, deadlineMs: 1e9 });
  expect(long.get("deadline")).toBe(String(LIMITS.maxDeadlineMs));
  writeRequestHeaders(long, { ...request, deadlineMs: 0.2 });
  expect(long.get("deadline")).toBe("1");
});

test.each([
  ["session-key", "", "session_not_found"],
  ["session-key", `${sessionKey}=`, "session_not_found"],
  ["proof", "short", "invalid_signature"],
  ["proof-alg", "channel", "invalid_signature"],
  ["iat", "01735689700", "iat_out_of_range"],
  ["iat", "1735689700.0", "iat_out_of_range"],
  ["iat", "-5", "iat_out_of_range"],
  ["request-id", "req-proof-alpha", "invalid_signature"],
  ["request-id", `${nonce}.07`, "invalid_signature"],
  ["request-id", `${nonce}.9007199254740993`, "invalid_signature"],
])("refuses %s %j", (name, value, reason) => {
  expect(parseRequestHeaders(written((one) => one.set(name, value)))).toMatchObject({ ok: false, error: { reason } });
});

test.each(["session-key", "proof", "iat", "request-id", "deadline"])("refuses %s given twice, even alike", (name) => {
  const parsed = parseRequestHeaders(written((one) => one.append(name, one.get(name))));
  expect(parsed.ok).toBe(false);
});

test.each(["0", "-1", "5s", "1e3", ""])("refuses the deadline %j", (value) => {
  expect(parseRequestHeaders(written((one) => one.set("deadline", value)))).toMatchObject({
    error: { type: "ValidationError" },
  });
});

test("no headers and no session key are the same refusal", () => {
  expect(parseRequestHeaders(undefined)).toMatchObject({ error: { reason: "missing_session_key" } });
  expect(parseRequestHeaders(headers())).toMatchObject({ error: { reason: "missing_session_key" } });
});

test("request ids count under one nonce and have one spelling", () => {
  const ids = requestIds();
  const first = parseRequestId(ids.next());
  const second = parseRequestId(ids.next());
  expect(second).toEqual({ nonce: first?.nonce, counter: (first?.counter ?? 0) + 1 });
  expect(parseRequestId(requestIds().next())?.nonce).not.toBe(first?.nonce);
  for (const wrong of [
    "",
    ".1",
    `${nonce}.`,
    `${nonce}1`,
    `${nonce}.+1`,
    `${nonce}. 1`,
    `${nonce}.1.1`,
    `x${nonce}.1`,
  ]) {
    expect(parseRequestId(wrong), wrong).toBeUndefined();
  }
});
