import { inboxPrefix, isReplyTo, sessionNoticeSubject } from "@trellis/protocol";
import type { InboxClass } from "@trellis/protocol";
import { readInput } from "../input.ts";
import { SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const sessionKey = testKey(SEED).sessionKey;
const prefix = inboxPrefix(sessionKey);
const owner = "Bb-_0123456789abcdefgh";
const call = "Cc-_01234567";

const subjects: readonly (readonly [InboxClass, string])[] = [
  ["r", `${prefix}.r.${owner}.${call}`],
  ["a", `${prefix}.a.${owner}.${call}`],
  ["s", `${prefix}.s.${owner}`],
  ["c", `${prefix}.c.notice`],
  ["r", `${prefix}.a.${owner}.${call}`],
  ["r", `${prefix}.s.${owner}`],
  ["a", `${prefix}.r.${owner}.${call}`],
  ["s", `${prefix}.r.${owner}.${call}`],
  ["s", `${prefix}.s.${owner}.${call}`],
  ["s", `${prefix}.s.${owner.slice(1)}`],
  ["r", `${prefix}.r.${owner}`],
  ["r", `${prefix}.r.${owner}.`],
  ["r", `${prefix}.r.${owner}.${call}.x`],
  ["r", `${prefix}.r.${owner}.${call}x`],
  ["r", `${prefix}.r.${owner}.${call.slice(1)}`],
  ["r", `${prefix}.r.${owner}.*`],
  ["r", `${prefix}.r.>`],
  ["r", `${prefix}.r.${owner.slice(0, -1)}*.${call}`],
  ["r", `${prefix}.r.${owner.slice(0, -1)}é.${call}`],
  ["r", `${prefix}x.r.${owner}.${call}`],
  ["r", `_INBOX.AAAAAAAAAAAAAAAA.r.${owner}.${call}`],
  ["r", "rpc.v1.Secret"],
  ["r", "$JS.API.STREAM.PURGE.KV_orders"],
  ["r", ""],
  ["c", `${prefix}.c.other`],
];

export const inboxesTopic: Topic = {
  topic: "inboxes",
  about: [
    "input.sessionKey: output.prefix is _INBOX. and its first 16 characters, or null where it is no session key; output.notice is where the control plane speaks to the session.",
    "input.prefix, subject and class: output.isReply says whether the subject has exactly the shape of the class below the prefix. Random parts are 22 and 12 of A-Z a-z 0-9 - _.",
  ],
  given: [
    ...[sessionKey, sessionKey.slice(0, 16), `${sessionKey}=`, `>${sessionKey.slice(1)}`, ""].map((key) => ({
      name: `prefix of ${key || "nothing"}`,
      input: { sessionKey: key },
    })),
    ...subjects.map(([inboxClass, subject]) => ({
      name: `${inboxClass}: ${subject || "nothing"}`,
      input: { prefix, class: inboxClass, subject },
    })),
  ],
  run(input) {
    const given = readInput(input);
    const key = given.optionalText("sessionKey");
    if (key !== undefined) return prefixOf(key);
    return { isReply: isReplyTo(given.text("prefix"), given.text("subject"), asClass(given.text("class"))) };
  },
};

function prefixOf(key: string) {
  try {
    const prefix = inboxPrefix(key);
    return { prefix, notice: sessionNoticeSubject(prefix) };
  } catch (error) {
    if (error instanceof TypeError) return { prefix: null };
    throw error;
  }
}

function asClass(text: string): InboxClass {
  if (text === "r" || text === "s" || text === "a" || text === "c") return text;
  throw new Error("an unknown class");
}
