import { describe, expect, test } from "vitest";
import {
  inboxPrefix,
  isReplyTo,
  newInboxOwner,
  newReplySubject,
  newStreamSubject,
  randomToken,
  replyBase,
  sessionNoticeSubject,
} from "./index.ts";

const sessionKey = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";
const prefix = inboxPrefix(sessionKey);
const owner = "B".repeat(22);
const call = "C".repeat(12);

test("the prefix is the first 16 characters of a real key", () => {
  expect(prefix).toBe("_INBOX.A6EHv_POEL4dcN0Y");
  for (const wrong of ["", "A6EHv_POEL4dcN0Y", `*${sessionKey.slice(1)}`, `${sessionKey}A`]) {
    expect(() => inboxPrefix(wrong)).toThrow(TypeError);
  }
});

test("fresh subjects are of their class", () => {
  expect(isReplyTo(prefix, newReplySubject(replyBase(prefix, "r", newInboxOwner())), "r")).toBe(true);
  expect(isReplyTo(prefix, newReplySubject(replyBase(prefix, "a", newInboxOwner())), "a")).toBe(true);
  expect(isReplyTo(prefix, newStreamSubject(prefix), "s")).toBe(true);
  expect(isReplyTo(prefix, sessionNoticeSubject(prefix), "c")).toBe(true);
});

describe("nothing else is a reply subject", () => {
  test.each([
    undefined,
    "",
    "rpc.v1.Secret",
    "$JS.API.STREAM.PURGE.X",
    prefix,
    `${prefix}.r`,
    `${prefix}.r.${owner}`,
    `${prefix}.r.${owner}.`,
    `${prefix}.r.${owner}.${call}.x`,
    `${prefix}.r.${owner}.${call}D`,
    `${prefix}.r.${owner}.${call.slice(1)}`,
    `${prefix}.r.${owner}.${call.slice(1)}*`,
    `${prefix}.r.${owner}.${call.slice(1)}>`,
    `${prefix}.r.${owner}.${call.slice(1)}.`,
    `${prefix}.r.${owner.slice(1)}é.${call}`,
    `${prefix}.r.*.${call}`,
    `${prefix}.r.>`,
    `${prefix}.a.${owner}.${call}`,
    `${prefix}.s.${owner}`,
    `${prefix}x.r.${owner}.${call}`,
    `${prefix.slice(0, -1)}.r.${owner}.${call}`,
    `_INBOX.BBBBBBBBBBBBBBBB.r.${owner}.${call}`,
    ` ${prefix}.r.${owner}.${call}`,
  ])("%s", (subject) => {
    expect(isReplyTo(prefix, subject, "r")).toBe(false);
  });

  test("a stream has no further token", () => {
    expect(isReplyTo(prefix, `${prefix}.s.${owner}`, "s")).toBe(true);
    expect(isReplyTo(prefix, `${prefix}.s.${owner}.${call}`, "s")).toBe(false);
    expect(isReplyTo(prefix, `${prefix}.c.notice.x`, "c")).toBe(false);
  });
});

test("random tokens hold every character about equally often and never repeat", () => {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  const rounds = 20_000;
  for (let round = 0; round < rounds; round += 1) {
    const token = randomToken(22);
    seen.add(token);
    for (const character of token) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  expect(seen.size).toBe(rounds);
  expect(counts.size).toBe(64);
  const expected = (rounds * 22) / 64;
  // Seven standard deviations: a fair generator fails once in a hundred thousand million runs.
  const slack = 7 * Math.sqrt(expected);
  for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(slack);
});
